import DXWire

@testable import DXSecure

/// What DXSecure promises about any bytes at all. The unit tests and the fuzzer call the same checks. A broken promise
/// is a `SecurePropertyFailure`; a trap is for the test run or the fuzzer to see.
enum SecureProperty: String, CaseIterable, Sendable {
    /// A message inside the veil: a value or a reason to drop it; a value written again is read as the same.
    case veiledMessage = "veiled-message"
    /// What follows a valid connection id: never opens, never ends the session.
    case sessionDatagram = "session-datagram"
    /// What a member may put into a CONNECT or HANDSHAKE: at worst the handshake fails.
    case handshakeDatagram = "handshake-datagram"
}

/// A broken promise.
struct SecurePropertyFailure: Error, CustomStringConvertible {
    var description: String
}

/// Checks properties. Keeps a session and a gateway's context, because making them for each case would take all the
/// time; one thread at a time.
final class SecurePropertyChecker {
    private let context: DTLSContext
    private let identity: Identity
    private let session: DTLSSession
    private let peer: DTLSSession

    init() throws {
        identity = try Identity.generate()
        context = try DTLSContext(identity, prefersChaCha: false)
        // A gateway may talk to one of its own key here: the check of ids is the endpoint's, which is not asked.
        let client = try DTLSConnection(context, isInitiator: true, peer: identity.gatewayID)
        let server = try DTLSConnection(context, isInitiator: false, peer: identity.gatewayID)
        var outcome = client.start()
        for _ in 0..<2 {
            for datagram in client.takeFlight() { _ = unsafe server.receive(datagram.span.bytes) }
            for datagram in server.takeFlight() { outcome = unsafe client.receive(datagram.span.bytes) }
        }
        guard outcome == .complete else { throw SecurePropertyFailure(description: "no session: \(outcome)") }
        session = Self.session(server, isInitiator: false, receives: 1, sends: 2, identity)
        peer = Self.session(client, isInitiator: true, receives: 2, sends: 1, identity)
    }

    /// Valid inputs to start from.
    func seeds(_ property: SecureProperty) throws -> [[UInt8]] {
        switch property {
        case .veiledMessage:
            let key = identity.publicKey.bytes
            let bytes = [UInt8](0..<200)
            return [
                [1, 1] + key + bytes.prefix(80), [2, 1] + bytes.prefix(48), [3, 1] + key + bytes.prefix(150),
                [16, 1] + bytes.prefix(40),
            ]
        case .sessionDatagram: return [[0, 0, 0, 0, 0, 9] + [UInt8](repeating: 1, count: 60)]
        case .handshakeDatagram:
            let client = try DTLSConnection(context, isInitiator: true, peer: identity.gatewayID)
            let server = try DTLSConnection(context, isInitiator: false, peer: identity.gatewayID)
            _ = client.start()
            let hello = client.takeFlight()
            for datagram in hello { _ = unsafe server.receive(datagram.span.bytes) }
            return hello + server.takeFlight()
        }
    }

    /// Feeds `bytes` to what the property is about.
    func check(_ property: SecureProperty, _ bytes: [UInt8]) throws {
        switch property {
        case .veiledMessage: try checkMessage(bytes)
        case .sessionDatagram: try checkSession(bytes)
        case .handshakeDatagram: try checkHandshake(bytes)
        }
    }

    private func checkMessage(_ bytes: [UInt8]) throws {
        guard let message = try? unsafe VeiledMessage(reading: bytes.span.bytes) else { return }
        let rest = message.datagram.map { Array(bytes[$0.offset..<($0.offset + $0.count)]) } ?? []
        let again = [UInt8](capacity: bytes.count) { output in
            switch message {
            case .hello(let hello): hello.write(to: &output)
            case .challenge(let challenge): challenge.write(to: &output)
            case .connect(let connect): unsafe connect.write(rest.span.bytes, to: &output)
            case .handshake(let handshake): unsafe handshake.write(rest.span.bytes, to: &output)
            // Its owner reads it.
            case .check: break
            }
        }
        guard bytes.starts(with: again) else { throw SecurePropertyFailure(description: "other bytes: \(again)") }
    }

    private func checkSession(_ bytes: [UInt8]) throws {
        var datagram = [0, 0, 0, 0, 0, 0, 0, 1] + bytes
        var plaintext = [UInt8](repeating: 0, count: datagram.count)
        let rejected = session.statistics
        let outcome = Self.open(session, &datagram, &plaintext)
        guard outcome == .rejected || outcome == .replayed, session.statistics != rejected else {
            throw SecurePropertyFailure(description: "\(outcome)")
        }
        // Once in a while: the session still carries data.
        guard session.statistics.rejected % 512 == 0 else { return }
        let packet: [UInt8] = [1, 2, 3]
        var sealed = [UInt8](capacity: packet.count + peer.sealOverhead) { output in
            unsafe try! peer.seal(packet.span.bytes, into: &output)
        }
        guard Self.open(session, &sealed, &plaintext) == .opened else {
            throw SecurePropertyFailure(description: "the session is dead")
        }
    }

    private func checkHandshake(_ bytes: [UInt8]) throws {
        for isInitiator in [false, true] {
            let connection = try DTLSConnection(context, isInitiator: isInitiator, peer: identity.gatewayID)
            if isInitiator { _ = connection.start() }
            _ = unsafe connection.receive(bytes.span.bytes)
            let flight = connection.takeFlight()
            guard flight.allSatisfy({ $0.count <= SecureConstants.handshakeDatagram }) else {
                throw SecurePropertyFailure(description: "a flight of \(flight.map(\.count)) bytes")
            }
        }
    }

    private static func open(_ session: DTLSSession, _ datagram: inout [UInt8], _ plaintext: inout [UInt8])
        -> OpenOutcome
    {
        var span = datagram.mutableSpan
        var bytes = unsafe span.mutableBytes
        return unsafe plaintext.withUnsafeMutableBytes { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            let outcome = session.open(&bytes, into: &output)
            _ = unsafe output.finalize(for: memory)
            return outcome
        }
    }

    private static func session(
        _ connection: DTLSConnection, isInitiator: Bool, receives: UInt64, sends: UInt64, _ identity: Identity
    ) -> DTLSSession {
        let handshake = SessionHandshake(
            accepting: Attempt(high: 0, low: 0), from: ConnectionID(rawValue: sends), veil: 0,
            configuration: SecureConfiguration(), now: .zero)
        let session = DTLSSession(
            connection, handshake: handshake, receiveID: ConnectionID(rawValue: receives), peerID: identity.gatewayID,
            isInitiator: isInitiator, remote: Endpoint(v4: 1, port: 1), local: nil,
            configuration: SecureConfiguration())
        session.establish(now: .zero)
        return session
    }
}

extension VeiledMessage {
    /// Where its DTLS datagram lies, if it has one.
    fileprivate var datagram: PacketSlice? {
        switch self {
        case .hello, .challenge, .check: nil
        case .connect(let connect): connect.datagram
        case .handshake(let handshake): handshake.datagram
        }
    }
}
