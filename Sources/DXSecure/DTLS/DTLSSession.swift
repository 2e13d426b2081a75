import CDXOpenSSL
public import DXWire

/// A DTLS 1.2 session with one gateway on one path (`docs/wire-format.md` §2). Made by `SecureEndpoint`, which also
/// carries its handshake; once `isEstablished`, `seal` and `open` are the hot path: no allocation of ours, one copy of
/// the record beside OpenSSL's own work.
///
/// The wire form of a record leaves out what never varies. `seal` lets OpenSSL write the whole record from byte 1 of the
/// datagram on, then overwrites the 13-byte header with connection id and record number; `open` does the reverse:
///
///     byte         0    1    2   3    4   5    6 ... 11   12 13   14 ...
///     DTLS              type version  epoch    number     length  nonce, ciphertext, tag
///     datagram     connection id (0...7)         8 ... 13: number nonce, ciphertext, tag
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

    /// Nil once closed.
    private var connection: DTLSConnection?
    private var window = ReplayWindow()
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
        isInitiator: Bool, remote: Endpoint, configuration: SecureConfiguration
    ) {
        self.connection = connection
        self.handshake = handshake
        self.receiveID = receiveID
        currentID = receiveID
        self.peerID = peerID
        self.isInitiator = isInitiator
        self.remote = remote
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
        guard phase == .established, let exported = connection?.exportJoinSecret() else { return nil }
        return exported.withBytes { secret.proof(over: $0) }
    }

    /// The negotiated cipher suite in OpenSSL's spelling, for logs; nil before the handshake is complete.
    public var cipherName: String? { connection?.cipherName }

    /// The larger of the records sealed and of the records that `open` has tried, failed ones included.
    public var recordCount: UInt64 { max(statistics.sealed, statistics.opened &+ statistics.rejected) }

    /// Whether a new session should replace this one: by age or by records, as the configuration says.
    public func needsRekey(now: Instant) -> Bool { now >= rekeyAt || recordCount >= rekeyRecords }

    // MARK: Records

    /// Appends the datagram that carries `packet`. See `SecureSession.seal`; `cryptography` ends the session.
    @_lifetime(output: copy output)
    public func seal(_ packet: RawSpan, into output: inout OutputRawSpan) throws(SecureError) {
        guard phase == .established, let connection else {
            throw phase == .handshaking ? .notEstablished : .closed
        }
        let count = packet.byteCount
        guard count > 0, count <= SecureConstants.maximumPacket, output.freeCapacity >= count + sealOverhead else {
            throw .packetSize
        }
        guard statistics.sealed < maximumRecords else { throw .recordsExhausted }
        let datagramCount = count &+ sealOverhead
        let id = sendID.rawValue
        let isSealed = unsafe output.withUnsafeMutableBytes { memory, initialized in
            let datagram = unsafe UnsafeMutableRawBufferPointer(
                rebasing: memory[initialized..<(initialized &+ datagramCount)])
            let record = unsafe UnsafeMutableRawBufferPointer(rebasing: datagram[1...])
            guard unsafe connection.seal(packet, into: record) == record.count else { return false }
            // Bytes 4 to 11 are epoch and number. The number goes to 8 to 13, the id to 0 to 7; the second store writes
            // the id's last two bytes once more.
            let number = unsafe UInt64(bigEndian: datagram.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
            unsafe datagram.storeBytes(of: id.bigEndian, toByteOffset: 0, as: UInt64.self)
            let tail = id &<< 48 | number & 0xffff_ffff_ffff
            unsafe datagram.storeBytes(of: tail.bigEndian, toByteOffset: 6, as: UInt64.self)
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
        guard phase == .established, let connection else { return phase == .handshaking ? .notEstablished : .closed }
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
        let opened = unsafe datagram.withUnsafeMutableBytes { datagram in
            // Type 23, version 254.253, epoch 1, the number, the length: see the picture above.
            unsafe datagram.storeBytes(of: 0x0017_fefd_0001_0000 as UInt64, big: 0)
            unsafe datagram.storeBytes(
                of: number &<< 16 | UInt64(truncatingIfNeeded: datagram.count &- 14), big: 6)
            let record = unsafe UnsafeRawBufferPointer(rebasing: datagram[1...])
            return unsafe plaintext.withUnsafeMutableBytes { memory, initialized in
                let room = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: memory[initialized..<(initialized &+ packetCount)])
                let count = unsafe connection.open(record, into: room)
                initialized &+= count ?? 0
                return count
            }
        }
        return outcome(opened, id, number)
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

    /// What OpenSSL made of the record: see `DTLSConnection.open`.
    private func outcome(_ opened: Int?, _ id: ConnectionID, _ number: UInt64) -> OpenOutcome {
        guard let opened else { return die() }
        guard opened > 0 else {
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
    /// shorter (`docs/wire-format.md` §2.2). Nothing is copied in between: OpenSSL's record goes to where the fragments'
    /// bodies are, and then each gets its header.
    ///
    /// Throws as `seal` does. `packetSize` also when the packet fits one datagram, or takes more than
    /// `FragmentHeader.maximumCount`.
    @_lifetime(output: copy output)
    public func sealInFragments(
        _ packet: RawSpan, of datagramByteCount: Int, into output: inout OutputRawSpan
    ) throws(SecureError) {
        guard phase == .established, let connection else {
            throw phase == .handshaking ? .notEstablished : .closed
        }
        let body = packet.byteCount &+ sealOverhead &- FragmentHeader.recordHeadByteCount
        let count = FragmentHeader.count(body: body, datagramByteCount: datagramByteCount)
        let whole = body &+ count &* FragmentHeader.byteCount
        guard packet.byteCount <= SecureConstants.maximumPacket, count > 1, count <= FragmentHeader.maximumCount,
            output.freeCapacity >= whole
        else { throw .packetSize }
        guard statistics.sealed < maximumRecords else { throw .recordsExhausted }
        let pieces = Self.pieces(of: datagramByteCount)
        let isSealed = unsafe output.withUnsafeMutableBytes { memory, initialized in
            let fragments = unsafe UnsafeMutableRawBufferPointer(
                rebasing: memory[initialized..<(initialized &+ whole)])
            let record = unsafe UnsafeMutableRawBufferPointer(rebasing: fragments[Self.recordStart...])
            let size = body &+ Self.recordHeader
            guard unsafe connection.seal(packet, into: record, byteCount: size, pieces: pieces) == size else {
                return false
            }
            let number = unsafe UInt64(bigEndian: record.loadUnaligned(fromByteOffset: 3, as: UInt64.self))
            var span = unsafe MutableRawSpan(_unsafeBytes: fragments)
            FragmentRun(
                connectionID: sendID, recordNumber: number & 0xffff_ffff_ffff, bodyByteCount: body,
                datagramByteCount: datagramByteCount
            ).writeHeaders(into: &span)
            initialized &+= whole
            return true
        }
        guard isSealed else { throw sealFailure() }
        statistics.sealed &+= 1
    }

    /// Opens the record that `fragments` carry, as `open` does with one in one piece.
    ///
    /// - Parameter fragments: what `run` was read from. Its bytes are changed.
    @_lifetime(fragments: copy fragments)
    @_lifetime(plaintext: copy plaintext)
    public func open(
        _ run: FragmentRun, in fragments: inout MutableRawSpan, into plaintext: inout OutputRawSpan
    ) -> OpenOutcome {
        guard phase == .established, let connection else { return phase == .handshaking ? .notEstablished : .closed }
        let packetCount = run.bodyByteCount &+ FragmentHeader.recordHeadByteCount &- sealOverhead
        guard packetCount > 0, packetCount <= SecureConstants.maximumPacket, plaintext.freeCapacity >= packetCount,
            fragments.byteCount >= run.byteCount
        else {
            statistics.rejected &+= 1
            return .rejected
        }
        if let refusal = refusal(run.connectionID, run.recordNumber) { return refusal }
        let pieces = Self.pieces(of: run.datagramByteCount)
        let opened = unsafe fragments.withUnsafeMutableBytes { memory in
            // Over the first fragment's header, right before its body: type 23, version 254.253, epoch 1, number, length.
            let record = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[Self.recordStart...])
            let number = run.recordNumber
            unsafe record.storeBytes(of: 0x17fe_fd00_0100_0000 as UInt64, big: 0)
            unsafe record.storeBytes(
                of: (1 &<< 48 | number) &<< 16 | UInt64(truncatingIfNeeded: run.bodyByteCount), big: 5)
            unsafe record.storeBytes(of: 1 &<< 48 | number, big: 3)
            return unsafe plaintext.withUnsafeMutableBytes { room, initialized in
                let room = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: room[initialized..<(initialized &+ packetCount)])
                let count = unsafe connection.open(
                    UnsafeRawBufferPointer(record), byteCount: run.bodyByteCount &+ Self.recordHeader, pieces: pieces,
                    into: room)
                initialized &+= count ?? 0
                return count
            }
        }
        return outcome(opened, run.connectionID, run.recordNumber)
    }

    /// DTLS's record header, which takes the end of the first fragment's header.
    private static let recordHeader = 13
    private static let recordStart = FragmentHeader.byteCount - recordHeader

    /// Where OpenSSL's record lies in fragments of that size.
    private static func pieces(of datagramByteCount: Int) -> dx_pieces {
        let slice = datagramByteCount &- FragmentHeader.byteCount
        return dx_pieces(first: slice &+ recordHeader, slice: slice, gap: FragmentHeader.byteCount)
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

    /// The handshake is complete: the record layer takes over.
    func establish(now: Instant) {
        guard let connection, let id = handshake.peerConnectionID else {
            preconditionFailure("a handshake is complete only after datagrams of a known source")
        }
        guard let secret = connection.exportIDSecret() else {
            preconditionFailure("OpenSSL exports keys of a complete handshake")
        }
        ids = SessionIDs(secret: secret, isInitiator: isInitiator, sent: id, received: receiveID)
        sendID = id
        idChanges = 1
        // The record's header goes, its number stays; the connection id comes.
        sealOverhead = connection.recordOverhead - 13 + 6 + ConnectionID.byteCount
        rekeyAt = now + rekeyInterval
        phase = .established
    }

    /// The handshake is over; its last flight may still hold an alert to send.
    func fail(_ failure: HandshakeFailure) {
        self.failure = failure
        phase = .failed
        release()
    }

    private func release() {
        connection = nil
        ids = nil
    }

    /// OpenSSL could not seal: nothing more can be sent.
    @inline(never)
    private func sealFailure() -> SecureError {
        let error = SecureError.lastOpenSSL()
        close()
        return error
    }

    /// OpenSSL gave the association up, which no datagram of a stranger can bring about.
    @inline(never)
    private func die() -> OpenOutcome {
        statistics.rejected &+= 1
        close()
        return .closed
    }
}

@available(*, unavailable)
extension DTLSSession: Sendable {}

extension UnsafeMutableRawBufferPointer {
    /// Stores eight bytes, highest first.
    fileprivate func storeBytes(of value: UInt64, big offset: Int) {
        unsafe storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
    }
}
