public import DXStream
public import DXWire
internal import NIOCore

/// One gateway as the simulator sees it: a channel, the sessions that seal its packets, an application, an address.
/// It is the driver that `DXTunnel` is on a real network, and keeps to the same rules: a batch of datagrams in, then
/// transmits until dry, events until dry, then one deadline.
public final class Host {
    /// The name in flow logs.
    public let name: String
    /// The machine under test.
    public var channel: MessageChannel
    /// What uses the channel.
    public let application: any Application
    /// Whether its sessions have a replay window.
    public let dropsReplays: Bool
    /// The address that its datagrams come from and that it is reached at.
    public var address: UInt32
    /// Further addresses that it is reached at: of its other networks.
    public var otherAddresses: Set<UInt32> = []
    /// Every event that the channel gave, other than those about streams that occur without number.
    public private(set) var pathEvents: [DXStream.ChannelEvent] = []
    /// How the channel ended, once it has.
    public private(set) var end: ChannelEnd?
    /// How many datagrams found no session, failed to open, or were replays.
    public private(set) var droppedCount = 0
    /// The most bytes that the channel ever held for streams.
    public private(set) var largestHeldByteCount = 0

    private(set) var outbox: [Datagram] = []
    private(set) var nextDueAt: Instant?
    private var sessions: [Session] = []
    private var inbox: [Datagram] = []
    private var inboxDueAt: Instant?
    private let batchInterval: Interval
    private var scratch = ByteBuffer()
    private var assembler = FragmentAssembler()
    private let log: FlowLog?
    private let peerName: String
    private var nextDatagramNumber: UInt64
    private var lastPaths: [String] = []

    private struct Session {
        var path: PathID
        var plain: PlainSession
        var remote: UInt32
        /// Where it sends from, when that is not the host's address.
        var local: UInt32?
        var candidate: UInt32?
    }

    /// A poll that goes on for ever must fail, not hang: no window lets so many packets go at once.
    private static let maximumTransmitsPerStep = 200_000

    init(
        name: String, peerName: String, address: UInt32, channel: consuming MessageChannel,
        application: any Application, batchInterval: Interval, dropsReplays: Bool, log: FlowLog?
    ) {
        self.name = name
        self.peerName = peerName
        self.address = address
        self.channel = channel
        self.application = application
        self.batchInterval = batchInterval
        self.dropsReplays = dropsReplays
        self.log = log
        nextDatagramNumber = UInt64(address) << 32
        nextDueAt = application.nextActionAt
    }

    // MARK: Sessions

    /// Adds a session, from the host's address or from `local`.
    func addSession(
        _ session: PlainSession, path: PathID, remote: UInt32, local: UInt32? = nil, inheriting: PathID?,
        preference: PathPreference = .primary, now: Instant
    ) throws(SimulationFailure) {
        sessions.append(Session(path: path, plain: session, remote: remote, local: local))
        if let local { otherAddresses.insert(local) }
        if channel.pathCount >= MessageChannel.maximumPaths { channel.forgetRetiringPaths(now: now) }
        do throws(DXStream.ChannelError) {
            try channel.addPath(
                path, overheadByteCount: PlainSession.overheadByteCount, inheriting: inheriting, preference: preference,
                now: now)
        } catch { throw SimulationFailure("\(name): path \(path) was refused: \(error)") }
        wake(now)
    }

    /// Stops using a session.
    public func retirePath(_ path: PathID, now: Instant) {
        channel.retirePath(path, now: now)
        wake(now)
    }

    /// Does not take a session that the peer has.
    public func refuseSession(_ path: PathID, now: Instant) {
        channel.refusePath(path)
        wake(now)
    }

    /// Datagrams that the replay windows of the present sessions dropped.
    public var replayDroppedCount: Int { sessions.reduce(0) { $0 + $1.plain.replayDroppedCount } }
    /// Which sessions there are.
    public var pathIDs: [PathID] { sessions.map(\.path) }
    /// The address that a path sends to.
    public func remote(of path: PathID) -> UInt32? { sessions.first { $0.path == path }?.remote }

    // MARK: Driving

    /// Makes the host run at `now` at the latest: something was done to its channel from outside.
    public func wake(_ now: Instant) { nextDueAt = min(nextDueAt ?? now, now) }

    /// A datagram arrived; it is looked at with its batch.
    func deliver(_ datagram: Datagram, now: Instant) {
        inbox.append(datagram)
        let due: Instant
        if batchInterval > .zero {
            let interval = batchInterval.nanoseconds
            due = Instant(nanoseconds: (now.nanoseconds + interval - 1) / interval * interval)
        } else {
            due = now
        }
        inboxDueAt = min(inboxDueAt ?? due, due)
        nextDueAt = min(nextDueAt ?? due, due)
    }

    /// Does everything that is due, until the channel and the application are dry.
    func run(now: Instant) throws(SimulationFailure) {
        if let inboxDueAt, inboxDueAt <= now { try receiveBatch(now: now) }
        if let timeout = channel.nextTimeout, timeout <= now { channel.timeoutFired(now: now) }
        var transmitCount = 0
        while true {
            while try transmit(now: now) {
                transmitCount += 1
                try SimulationFailure.unless(
                    transmitCount <= Self.maximumTransmitsPerStep, "\(name): sends without end at \(now)")
            }
            var hadEvent = false
            while let event = channel.pollEvent() {
                hadEvent = true
                try take(event, now: now)
            }
            if let due = application.nextActionAt, due <= now {
                try application.act(channel: &channel, now: now)
                hadEvent = true
            }
            if !hadEvent { break }
        }
        if log != nil { logPaths(now: now) }
        largestHeldByteCount = max(largestHeldByteCount, channel.heldByteCount)
        var due = channel.nextTimeout
        if let action = application.nextActionAt { due = min(due ?? action, action) }
        if let inboxDueAt { due = min(due ?? inboxDueAt, inboxDueAt) }
        nextDueAt = due
    }

    /// Hands over the datagrams that wait to be sent.
    func takeOutbox() -> [Datagram] {
        defer { outbox.removeAll(keepingCapacity: true) }
        return outbox
    }

    private func receiveBatch(now: Instant) throws(SimulationFailure) {
        inboxDueAt = nil
        let batch = inbox
        inbox.removeAll(keepingCapacity: true)
        for part in batch {
            guard let (datagram, size) = assemble(part) else { continue }
            guard let id = PlainSession.connectionID(of: datagram.bytes),
                let index = sessions.firstIndex(where: { $0.plain.receiveID == id }),
                case .packet(let packet, _) = sessions[index].plain.open(datagram.bytes)
            else {
                droppedCount += 1
                continue
            }
            let isFromCandidate =
                datagram.source == sessions[index].candidate && datagram.source != sessions[index].remote
            let outcome = channel.receive(
                packet.readableBytesSpan, on: sessions[index].path, datagramByteCount: size,
                ecn: datagram.ecn, isFromCandidate: isFromCandidate, now: now)
            // A proof must be used before another address can take the candidate's place.
            if sessions[index].candidate != nil {
                while let event = channel.pollEvent() { try take(event, now: now) }
            }
            // A datagram that was late must not move the path back to where it came from.
            if outcome == .accepted { noteSource(of: datagram, session: id, now: now) }
            if outcome != .accepted { log?.note(name, at: now, "№\(datagram.number) is \(outcome)") }
        }
    }

    /// A datagram as it is, or the record that it completes as one, and the bytes of all its datagrams; nil when parts are
    /// missing yet.
    private func assemble(_ datagram: Datagram) -> (Datagram, Int)? {
        guard FragmentHeader.isFragment(datagram.bytes.readableBytesSpan) else {
            return (datagram, datagram.bytes.readableBytes)
        }
        switch assembler.receive(datagram.bytes.readableBytesSpan, ecn: datagram.ecn) {
        case .incomplete: return nil
        case .rejected:
            droppedCount += 1
            return nil
        case .complete(let place):
            let facts = assembler.facts(at: place)
            var record = datagram
            if facts.ecn == .ce { record.ecn = .ce }
            record.bytes.clear()
            assembler.withRecord(at: place) { bytes in
                record.bytes.writeWithOutputRawSpan(minimumWritableBytes: bytes.byteCount) { $0.write(bytes.bytes) }
            }
            return (record, facts.wireByteCount)
        }
    }

    private func noteSource(of datagram: Datagram, session id: ConnectionID, now: Instant) {
        guard let index = sessions.firstIndex(where: { $0.plain.receiveID == id }),
            datagram.source != sessions[index].remote
        else { return }
        let path = sessions[index].path
        if datagram.source != sessions[index].candidate {
            // While one address is being proved others wait.
            guard !channel.isValidating(path) else { return }
            channel.pathCandidateChanged(path, now: now)
            sessions[index].candidate = datagram.source
            log?.note(name, at: now, "path \(path) is heard from address \(datagram.source)")
        }
        channel.pathHeardFromNewAddress(path, byteCount: datagram.bytes.readableBytes, now: now)
    }

    private func transmit(now: Instant) throws(SimulationFailure) -> Bool {
        let capacity = max(channel.configuration.maximumDatagram, channel.configuration.maximumPacket)
        scratch.clear(minimumCapacity: capacity + PlainSession.overheadByteCount)
        PlainSession.writeHead(to: &scratch)
        var transmit: Transmit?
        scratch.writeWithOutputRawSpan(minimumWritableBytes: capacity) { output in
            transmit = channel.pollTransmit(into: &output, now: now)
        }
        let written = scratch.readableBytes - PlainSession.headByteCount
        guard let transmit else {
            try SimulationFailure.unless(written == 0, "\(name): no transmit, but \(written) bytes were written")
            return false
        }
        try SimulationFailure.unless(
            written == transmit.byteCount, "\(name): transmit of \(transmit.byteCount) bytes, \(written) were written")
        guard let index = sessions.firstIndex(where: { $0.path == transmit.path }) else {
            throw SimulationFailure("\(name): a packet for path \(transmit.path), which has no session")
        }
        let destination: UInt32
        switch transmit.destination {
        case .current: destination = sessions[index].remote
        case .candidate:
            guard let candidate = sessions[index].candidate else {
                throw SimulationFailure(
                    "\(name): a packet for a candidate address of path \(transmit.path); none known")
            }
            destination = candidate
        }
        nextDatagramNumber += 1
        logTransmit(transmit, to: destination, now: now)
        sessions[index].plain.seal(&scratch)
        for bytes in cut(scratch, at: transmit.datagramByteCount) {
            outbox.append(
                Datagram(
                    bytes: bytes, ecn: transmit.ecn, source: sessions[index].local ?? address, destination: destination,
                    number: nextDatagramNumber))
        }
        return true
    }

    /// A record as one datagram, or as fragments when it is too large (`docs/wire-format.md` §2.2).
    private func cut(_ record: ByteBuffer, at size: Int) -> [ByteBuffer] {
        guard record.readableBytes > size else { return [ByteBuffer(buffer: record)] }
        var cutter = FragmentCutter(record.readableBytesSpan, datagramByteCount: size)
        var result: [ByteBuffer] = []
        while !cutter.isDone {
            var datagram = ByteBuffer()
            datagram.writeWithOutputRawSpan(minimumWritableBytes: size) { cutter.writeNext(to: &$0) }
            result.append(datagram)
        }
        return result
    }

    /// Notes what is otherwise only seen by its consequences.
    private func logPaths(now: Instant) {
        let paths = channel.pathSnapshots.map { path in
            "path \(path.id): mtu \(path.mtu), \(path.statistics.blackHoles) black holes, "
                + "\(path.statistics.probeTimeouts) probe timeouts, \(path.statistics.persistentCongestion) persistent, "
                + "\(path.statistics.congestionEvents) reductions, \(path.statistics.packetsSpuriouslyLost) spurious"
        }
        guard paths != lastPaths else { return }
        lastPaths = paths
        let windows = channel.pathSnapshots.map { "window \($0.windowBytes), rtt \($0.roundTrip ?? .zero)" }
        log?.note(name, at: now, zip(paths, windows).map { "\($0), \($1)" }.joined(separator: "; "))
    }

    private func logTransmit(_ transmit: Transmit, to destination: UInt32, now: Instant) {
        guard let log else { return }
        let packet = scratch.getSlice(at: PlainSession.headByteCount, length: transmit.byteCount)!
        var text = PacketText.describe(packet.readableBytesSpan) + " (\(transmit.byteCount) bytes)"
        if transmit.destination == .candidate { text += " to candidate \(destination)" }
        log.sent(number: nextDatagramNumber, from: name, to: peerName, at: now, text: text)
    }

    private func take(_ event: DXStream.ChannelEvent, now: Instant) throws(SimulationFailure) {
        log?.note(name, at: now, Self.text(event))
        switch event {
        case .pathRetired(let id):
            pathEvents.append(event)
            sessions.removeAll { $0.path == id }
        case .pathValidated(let id):
            pathEvents.append(event)
            if let index = sessions.firstIndex(where: { $0.path == id }), let candidate = sessions[index].candidate {
                sessions[index].remote = candidate
                sessions[index].candidate = nil
            }
        case .pathDoubted, .pathSuspect, .pathDown, .pathUp: pathEvents.append(event)
        case .closed(let how):
            try SimulationFailure.unless(end == nil, "\(name): the channel ended twice")
            end = how
        case .streamAccepted, .streamOpened, .readable, .writable, .stopped, .streamEnded, .streamsAvailable,
            .controlReadable,
            .message:
            try SimulationFailure.unless(end == nil, "\(name): \(event) after the end of the channel")
        }
        try application.handle(event, channel: &channel, now: now)
    }

    private static func text(_ event: DXStream.ChannelEvent) -> String {
        if case .message(let flow, let bytes) = event { return "message of flow \(flow), \(bytes.readableBytes) bytes" }
        return "\(event)"
    }
}
