import CDXOpenSSL
public import DXWire

/// The short DTLS association of a gateway with a matchmaker (`docs/matchmaking.md` §3): a handshake in which the matchmaker
/// alone shows a key, two secrets that both export, and a record or two. Datagrams in, datagrams out: no clock, no
/// repetition, which are the owner's.
///
/// Bound to one event loop.
public final class MatchDTLS {
    /// What a datagram came to.
    public enum Outcome: Equatable, Sendable {
        /// The handshake needs another datagram.
        case incomplete
        /// The handshake is complete: keys are there, records can be sealed.
        case complete
        /// It is another matchmaker than the pin says. Both are named, for whoever has to mend it.
        case wrongPin(expected: GatewayID, seen: GatewayID)
        /// It is over, for this reason.
        case failed(HandshakeFailure)
    }

    private let connection: DTLSConnection
    private let expected: GatewayID
    private var isComplete = false
    private var cipher: RecordCipher?
    private var sealed: UInt64 = 0
    private var window = ReplayWindow()

    /// What makes associations of one end.
    public final class Context: Sendable {
        fileprivate let context: MatchContext
        fileprivate let pin: GatewayID
        fileprivate let isMatchmaker: Bool

        /// A gateway's end, towards the matchmaker with this pin.
        public init(pin: GatewayID) throws(SecureError) {
            context = try MatchContext(nil)
            self.pin = pin
            isMatchmaker = false
        }

        /// A matchmaker's end.
        public init(_ identity: Identity) throws(SecureError) {
            context = try MatchContext(identity)
            pin = identity.gatewayID
            isMatchmaker = true
        }
    }

    /// A new association. Throws `cryptography` when OpenSSL is out of memory.
    public init(_ context: Context) throws(SecureError) {
        // Whom a matchmaker expects does not matter: it asks nobody for a key.
        connection = unsafe try DTLSConnection(
            context.context.pointer, isInitiator: !context.isMatchmaker, peer: context.pin)
        expected = context.pin
    }

    /// Begins, at the gateway's end; its first flight is there afterwards.
    public func start() -> Outcome { outcome(connection.start()) }

    /// Takes a datagram of the handshake.
    public func receive(_ datagram: RawSpan) -> Outcome { outcome(connection.receive(datagram)) }

    /// The datagrams that the last call made: one flight, or none.
    public func takeFlight() -> [[UInt8]] { connection.takeFlight() }

    private func outcome(_ result: DTLSConnection.Outcome) -> Outcome {
        switch result {
        case .incomplete: return .incomplete
        case .complete:
            isComplete = true
            return .complete
        case .failed(.wrongPeerKey): return .wrongPin(expected: expected, seen: connection.seenPeer)
        case .failed(let failure): return .failed(failure)
        }
    }

    // MARK: After the handshake

    /// What requests and answers are sealed with; nil before the handshake is complete.
    public var keys: MatchKeys? {
        export("EXPORTER-dx match requests 1", count: MatchKeys.byteCount).map(MatchKeys.init)
    }

    /// What the group's match key signs; nil before the handshake is complete.
    public var proofInput: Bytes32? {
        export("EXPORTER-dx match key 1", count: Bytes32.byteCount)?.withBytes { Bytes32($0) }
    }

    private func export(_ label: String, count: Int) -> SecretBytes? {
        isComplete ? connection.export(label, count: count) : nil
    }

    /// The DTLS record of a message of 1 to 16,384 bytes; nil before the handshake is complete.
    public func record(of message: RawSpan) -> [UInt8]? {
        guard let cipher = records(), message.byteCount > 0, message.byteCount <= SecureConstants.maximumPacket else {
            return nil
        }
        let number = cipher.firstNumber + sealed
        let bodyCount = message.byteCount + cipher.overhead
        var record = [UInt8](capacity: Self.headByteCount + bodyCount) { output in
            output.write(Self.contentType)
            output.write(Self.version)
            output.write(1 << 48 | number)
            output.write(UInt16(bodyCount))
            for _ in 0..<bodyCount { output.write(0 as UInt8) }
        }
        let isSealed = unsafe record.withUnsafeMutableBytes { record in
            unsafe cipher.seal(message, number: number, into: record.baseAddress! + Self.headByteCount)
        }
        sealed += 1
        return isSealed ? record : nil
    }

    /// The message of a DTLS record of the other end; nil when it is none, or came before.
    public func message(of record: RawSpan) -> [UInt8]? {
        var reader = ByteReader(record)
        guard let cipher = records(), (try? reader.readUInt8()) == Self.contentType,
            (try? reader.readUInt16()) == Self.version, let numbers = try? reader.readUInt64(), numbers &>> 48 == 1,
            let bodyCount = try? reader.readUInt16(), reader.remaining == Int(bodyCount),
            Int(bodyCount) > cipher.overhead, Int(bodyCount) - cipher.overhead <= SecureConstants.maximumPacket
        else { return nil }
        let number = numbers & 0xffff_ffff_ffff
        guard window.isFresh(number) else { return nil }
        var message = [UInt8](repeating: 0, count: Int(bodyCount) - cipher.overhead)
        let isOpened = unsafe message.withUnsafeMutableBytes { message in
            unsafe record.withUnsafeBytes { record in
                unsafe cipher.open(
                    record.baseAddress! + Self.headByteCount, byteCount: Int(bodyCount), number: number,
                    into: message.baseAddress!)
            }
        }
        guard isOpened else { return nil }
        window.insert(number)
        return message
    }

    private func records() -> RecordCipher? {
        if cipher == nil, isComplete { cipher = connection.takeRecordCipher() }
        return cipher
    }

    private static let headByteCount = 13
    private static let contentType: UInt8 = 23
    private static let version: UInt16 = 0xfefd
}

@available(*, unavailable)
extension MatchDTLS: Sendable {}

/// OpenSSL's context for a handshake in which the matchmaker alone shows a key.
@safe
final class MatchContext: @unchecked Sendable {
    /// Used by several threads at once, changed by none.
    let pointer: OpaquePointer

    /// The matchmaker's end with its key, or a gateway's with none.
    init(_ identity: Identity?) throws(SecureError) {
        ERR_clear_error()
        let prefersChaCha: Int32 = dx_cpu_accelerates_aes() == 0 ? 1 : 0
        guard let identity else {
            guard let context = unsafe dx_dtls_context_one_sided(nil, nil, prefersChaCha) else { throw .lastOpenSSL() }
            unsafe pointer = unsafe context
            return
        }
        guard let certificate = unsafe dx_certificate(identity.key) else { throw .lastOpenSSL() }
        defer { unsafe X509_free(certificate) }
        guard let context = unsafe dx_dtls_context_one_sided(identity.key, certificate, prefersChaCha) else {
            throw .lastOpenSSL()
        }
        unsafe pointer = unsafe context
    }

    deinit { unsafe SSL_CTX_free(pointer) }
}
