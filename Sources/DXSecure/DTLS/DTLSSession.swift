import CDXOpenSSL
public import DXWire

/// A DTLS 1.2 session with one gateway on one path (`docs/wire-format.md` §2). Made by `SecureEndpoint`, which also
/// carries its handshake, by OpenSSL; once `isEstablished`, `seal` and `open` are the hot path: no allocation, and no copy
/// but the cipher's own (`docs/decisions/0014-records-of-our-own.md`).
///
/// The wire form of a record leaves out what never varies of a DTLS record (type, version, epoch, length), and names the
/// session:
///
///     byte         0 ... 7          8 ... 13    14 ...
///     datagram     connection id    number      explicit nonce (AES-GCM only), ciphertext, tag
///
/// Bound to one event loop.
public final class DTLSSession: SecureSession {
    /// The connection id by which this end receives its handshake, and its records until ids change (`acceptedIDs`).
    public let receiveID: ConnectionID
    /// The peer, whose key the handshake proves.
    public let peerID: GatewayID
    /// Whether this end started the session.
    public let isInitiator: Bool
    /// Where the handshake's datagrams go. A path may move on later; this does not.
    public let remote: Endpoint
    /// The address and port of ours that they leave from; nil leaves it to the routing table.
    public let local: Endpoint?

    enum Phase: UInt8, Equatable {
        case handshaking
        case established
        case failed
        case closed
    }

    private(set) var phase = Phase.handshaking
    /// Why the handshake failed, or nil.
    public private(set) var failure: HandshakeFailure?
    /// Counters of the record layer.
    public private(set) var statistics = SessionStatistics()
    /// The bytes that `seal` adds to a packet: 38 with AES-GCM, 30 with ChaCha20-Poly1305. 38 until established.
    public private(set) var sealOverhead = 38

    /// The handshake's; nil once it is over.
    private var connection: DTLSConnection?
    /// Nil unless established.
    private var cipher: RecordCipher?
    /// The number of the next record to seal is that of the first one and `statistics.sealed`.
    private var firstNumber: UInt64 = 0
    private var window = ReplayWindow()
    /// What proves tokens in this session, once established.
    private var joinSecret: SecretBytes?
    /// The connection ids, once established.
    private var ids: SessionIDs?
    /// What `seal` writes and `open` reads, out of `ids`: the hot path takes no optional apart.
    private var sendID = ConnectionID(rawValue: 0)
    private var currentID: ConnectionID
    /// How often the ids that this end accepts have changed; after a change the owner registers `acceptedIDs`.
    public private(set) var idChanges: UInt32 = 0
    private var rekeyAt = Instant.distantFuture
    private let rekeyInterval: Interval
    private let rekeyRecords: UInt64
    /// `seal` refuses more. 16 times what asks for a new session: that one should be there long before. Within the 40 bits
    /// that a fragment has for a record's number.
    private let maximumRecords: UInt64
    /// The cold half, run by `SecureEndpoint`.
    var handshake: SessionHandshake

    init(
        _ connection: DTLSConnection, handshake: SessionHandshake, receiveID: ConnectionID, peerID: GatewayID,
        isInitiator: Bool, remote: Endpoint, local: Endpoint?, configuration: SecureConfiguration
    ) {
        self.connection = connection
        self.handshake = handshake
        self.receiveID = receiveID
        currentID = receiveID
        self.peerID = peerID
        self.isInitiator = isInitiator
        self.remote = remote
        self.local = local
        rekeyInterval = configuration.rekeyInterval
        rekeyRecords = configuration.rekeyRecords
        maximumRecords = min(configuration.rekeyRecords, FragmentHeader.recordNumberBound / 16) * 16
    }

    // MARK: State

    /// Whether the handshake is complete at this end, and the session not closed.
    public var isEstablished: Bool { phase == .established }

    /// Whether the peer came under the join veil: it may be anybody, and may do nothing but join.
    public var isJoin: Bool { !isInitiator && handshake.veil == Veil.joinNumber }

    /// What proves in this session, and in no other, that its sender has a token (`docs/group.md` §8); nil unless
    /// established.
    public func proof(of secret: TokenSecret) -> Bytes32? {
        joinSecret?.withBytes { secret.proof(over: $0) }
    }

    /// The negotiated cipher suite in OpenSSL's spelling, for logs; nil before the handshake is complete.
    public private(set) var cipherName: String?

    /// The larger of the records sealed and of the records that `open` has tried, failed ones included.
    public var recordCount: UInt64 { max(statistics.sealed, statistics.opened &+ statistics.rejected) }

    /// Whether a new session should replace this one: by age or by records, as the configuration says.
    public func needsRekey(now: Instant) -> Bool { now >= rekeyAt || recordCount >= rekeyRecords }

    // MARK: Records

    /// Appends the datagram that carries `packet`. See `SecureSession.seal`; `cryptography` ends the session.
    @_lifetime(output: copy output)
    public func seal(_ packet: RawSpan, into output: inout OutputRawSpan) throws(SecureError) {
        guard phase == .established, let cipher else { throw phase == .handshaking ? .notEstablished : .closed }
        let datagramCount = packet.byteCount &+ sealOverhead
        guard packet.byteCount > 0, packet.byteCount <= SecureConstants.maximumPacket,
            output.freeCapacity >= datagramCount
        else { throw .packetSize }
        guard statistics.sealed < maximumRecords else { throw .recordsExhausted }
        let number = firstNumber &+ statistics.sealed
        let id = sendID.rawValue
        let isSealed = unsafe output.withUnsafeMutableBytes { memory, initialized in
            let datagram = unsafe UnsafeMutableRawBufferPointer(
                rebasing: memory[initialized..<(initialized &+ datagramCount)])
            // The second store writes the id's last two bytes once more.
            unsafe datagram.storeBytes(of: id.bigEndian, toByteOffset: 0, as: UInt64.self)
            unsafe datagram.storeBytes(of: (id &<< 48 | number).bigEndian, toByteOffset: 6, as: UInt64.self)
            let body = unsafe datagram.baseAddress! + FragmentHeader.recordHeadByteCount
            guard unsafe cipher.seal(packet, number: number, into: body) else { return false }
            initialized &+= datagramCount
            return true
        }
        guard isSealed else { throw sealFailure() }
        statistics.sealed &+= 1
    }

    /// Opens one session datagram and appends its plaintext. See `SecureSession.open`.
    @_lifetime(datagram: copy datagram)
    @_lifetime(plaintext: copy plaintext)
    public func open(_ datagram: inout MutableRawSpan, into plaintext: inout OutputRawSpan) -> OpenOutcome {
        guard phase == .established, let cipher else { return phase == .handshaking ? .notEstablished : .closed }
        let packetCount = datagram.byteCount &- sealOverhead
        guard packetCount > 0, packetCount <= SecureConstants.maximumPacket, plaintext.freeCapacity >= packetCount
        else {
            statistics.rejected &+= 1
            return .rejected
        }
        // At least 31 bytes are there: see the guard.
        let id = ConnectionID(
            rawValue: unsafe UInt64(
                bigEndian: datagram.unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt64.self)))
        let tail = unsafe UInt64(bigEndian: datagram.unsafeLoadUnaligned(fromUncheckedByteOffset: 6, as: UInt64.self))
        let number = tail & 0xffff_ffff_ffff
        if let refusal = refusal(id, number) { return refusal }
        let isOpened = unsafe datagram.withUnsafeMutableBytes { datagram in
            let head = FragmentHeader.recordHeadByteCount
            return unsafe Self.open(
                datagram.baseAddress! + head, byteCount: datagram.count &- head, number: number, pieces: dx_pieces(),
                packetByteCount: packetCount, with: cipher, into: &plaintext)
        }
        return outcome(isOpened, id, number)
    }

    /// Opens a record's body and appends its plaintext, for which there is room; false when it is none of the peer's.
    @_lifetime(plaintext: copy plaintext)
    private static func open(
        _ body: UnsafeMutableRawPointer, byteCount: Int, number: UInt64, pieces: dx_pieces, packetByteCount: Int,
        with cipher: RecordCipher, into plaintext: inout OutputRawSpan
    ) -> Bool {
        unsafe plaintext.withUnsafeMutableBytes { memory, initialized in
            let room = unsafe memory.baseAddress! + initialized
            guard unsafe cipher.open(body, byteCount: byteCount, number: number, pieces: pieces, into: room) else {
                return false
            }
            initialized &+= packetByteCount
            return true
        }
    }

    /// Why a record with this id and number is not even tried; nil when it may be good.
    private func refusal(_ id: ConnectionID, _ number: UInt64) -> OpenOutcome? {
        guard id == currentID || ids?.accepts(id) == true else {
            statistics.rejected &+= 1
            return .rejected
        }
        guard window.isFresh(number) else {
            statistics.replayed &+= 1
            return .replayed
        }
        return nil
    }

    /// What the cipher made of the record.
    private func outcome(_ isOpened: Bool, _ id: ConnectionID, _ number: UInt64) -> OpenOutcome {
        guard isOpened else {
            statistics.rejected &+= 1
            return .rejected
        }
        window.insert(number)
        statistics.opened &+= 1
        if id != currentID { heardOther(id) }
        return .opened
    }

    // MARK: Records in fragments

    /// Appends the fragments of the record that carries `packet`, of `datagramByteCount` bytes each, the last one perhaps
    /// shorter (`docs/wire-format.md` §2.2). Nothing is copied in between: the record's body is written to where the
    /// fragments' bodies are, and each gets its header.
    ///
    /// Throws as `seal` does. `packetSize` also when the packet fits one datagram, or takes more than
    /// `FragmentHeader.maximumCount`.
    @_lifetime(output: copy output)
    public func sealInFragments(
        _ packet: RawSpan, of datagramByteCount: Int, into output: inout OutputRawSpan
    ) throws(SecureError) {
        guard phase == .established, let cipher else { throw phase == .handshaking ? .notEstablished : .closed }
        let body = packet.byteCount &+ sealOverhead &- FragmentHeader.recordHeadByteCount
        let count = FragmentHeader.count(body: body, datagramByteCount: datagramByteCount)
        let whole = body &+ count &* FragmentHeader.byteCount
        guard packet.byteCount <= SecureConstants.maximumPacket, count > 1, count <= FragmentHeader.maximumCount,
            output.freeCapacity >= whole
        else { throw .packetSize }
        guard statistics.sealed < maximumRecords else { throw .recordsExhausted }
        let run = FragmentRun(
            connectionID: sendID, recordNumber: firstNumber &+ statistics.sealed, bodyByteCount: body,
            datagramByteCount: datagramByteCount)
        let isSealed = unsafe output.withUnsafeMutableBytes { memory, initialized in
            let fragments = unsafe UnsafeMutableRawBufferPointer(
                rebasing: memory[initialized..<(initialized &+ whole)])
            let start = unsafe fragments.baseAddress! + FragmentHeader.byteCount
            guard unsafe cipher.seal(packet, number: run.recordNumber, into: start, pieces: Self.pieces(of: run)) else {
                return false
            }
            var span = unsafe MutableRawSpan(_unsafeBytes: fragments)
            run.writeHeaders(into: &span)
            initialized &+= whole
            return true
        }
        guard isSealed else { throw sealFailure() }
        statistics.sealed &+= 1
    }

    /// Opens the record that `fragments` carry, as `open` does with one in one piece.
    ///
    /// - Parameter fragments: what `run` was read from.
    @_lifetime(fragments: copy fragments)
    @_lifetime(plaintext: copy plaintext)
    public func open(
        _ run: FragmentRun, in fragments: inout MutableRawSpan, into plaintext: inout OutputRawSpan
    ) -> OpenOutcome {
        guard phase == .established, let cipher else { return phase == .handshaking ? .notEstablished : .closed }
        let packetCount = run.bodyByteCount &+ FragmentHeader.recordHeadByteCount &- sealOverhead
        guard packetCount > 0, packetCount <= SecureConstants.maximumPacket, plaintext.freeCapacity >= packetCount,
            fragments.byteCount >= run.byteCount
        else {
            statistics.rejected &+= 1
            return .rejected
        }
        if let refusal = refusal(run.connectionID, run.recordNumber) { return refusal }
        let isOpened = unsafe fragments.withUnsafeMutableBytes { memory in
            unsafe Self.open(
                memory.baseAddress! + FragmentHeader.byteCount, byteCount: run.bodyByteCount, number: run.recordNumber,
                pieces: Self.pieces(of: run), packetByteCount: packetCount, with: cipher, into: &plaintext)
        }
        return outcome(isOpened, run.connectionID, run.recordNumber)
    }

    /// Where the record's body lies in its fragments.
    private static func pieces(of run: FragmentRun) -> dx_pieces {
        dx_pieces(slice: run.slice, gap: FragmentHeader.byteCount)
    }

    // MARK: Connection ids

    /// The connection ids of datagrams for `open`: the newest one heard, the next two, the one heard before. They change
    /// when `idChanges` does.
    public var acceptedIDs: [ConnectionID] {
        guard let ids else { return [receiveID] }
        let new = [ids.received, ids.next, ids.afterNext]
        return ids.previous == ids.received ? new : new + [ids.previous]
    }

    /// An address changed: datagrams carry a fresh connection id from now on, so that nobody who sees both addresses can
    /// tell that they belong together (`docs/wire-format.md` §2.1). Nothing happens while the peer may not know that id.
    public func changeSendID() {
        ids?.advance()
        if let ids { sendID = ids.sent }
    }

    @inline(never)
    private func heardOther(_ id: ConnectionID) {
        guard ids?.heard(id) == true, let ids else { return }
        currentID = ids.received
        sendID = ids.sent
        idChanges &+= 1
    }

    /// Gives up all keys and memory; nothing is sent. May be called again.
    public func close() {
        if phase != .failed { phase = .closed }
        release()
    }

    // MARK: Handshake, for SecureEndpoint

    /// Takes the handshake one datagram on, or begins it with none; a new flight replaces the last one, and means that
    /// OpenSSL accepted what it heard.
    func step(_ datagram: RawSpan?) -> (outcome: DTLSConnection.Outcome, isNewFlight: Bool) {
        guard phase == .handshaking, let connection else { return (.incomplete, false) }
        let outcome = if let datagram { connection.receive(datagram) } else { connection.start() }
        let flight = connection.takeFlight()
        if !flight.isEmpty { handshake.replaceFlight(flight) }
        return (outcome, !flight.isEmpty)
    }

    /// The handshake is complete: the keys are taken out of it, and OpenSSL's association goes.
    func establish(now: Instant) {
        guard let connection, let id = handshake.peerConnectionID else {
            preconditionFailure("a handshake is complete only after datagrams of a known source")
        }
        guard let secret = connection.exportIDSecret(), let joinSecret = connection.exportJoinSecret(),
            let cipher = connection.takeRecordCipher()
        else { preconditionFailure("OpenSSL gives the keys of a complete handshake") }
        ids = SessionIDs(secret: secret, isInitiator: isInitiator, sent: id, received: receiveID)
        sendID = id
        idChanges = 1
        self.joinSecret = joinSecret
        self.cipher = cipher
        cipherName = connection.cipherName
        firstNumber = cipher.firstNumber
        sealOverhead = FragmentHeader.recordHeadByteCount + cipher.overhead
        rekeyAt = now + rekeyInterval
        phase = .established
        self.connection = nil
    }

    /// The handshake is over; its last flight may still hold an alert to send.
    func fail(_ failure: HandshakeFailure) {
        self.failure = failure
        phase = .failed
        release()
    }

    private func release() {
        connection = nil
        cipher = nil
        joinSecret = nil
        ids = nil
    }

    /// OpenSSL could not seal: nothing more can be sent.
    @inline(never)
    private func sealFailure() -> SecureError {
        let error = SecureError.lastOpenSSL()
        close()
        return error
    }
}

@available(*, unavailable)
extension DTLSSession: Sendable {}
