import DXSecure
import DXSocket
import DXStream
import DXWire
import Logging
import NIOCore

/// A gateway's part in its group: exchanges the document with neighbours, has the gateway follow it, signs what operators want,
/// lets gateways in. Bound to the gateway's event loop; files are written elsewhere (`StateWriter`).
///
/// The document is the truth, in memory at once and on the disk soon after: what this gateway says itself is there before
/// anybody is told that it is done; what others say within a second, addresses within an hour, since flash wears and
/// a neighbour tells them again.
final class GroupAgent {
    let core: GatewayCore
    let identity: Identity
    let writer: StateWriter
    let member: MemberRecord.ID
    let introducer: GroupFile.Introducer?
    let settings: LocalSettings
    var sync: GroupSync
    var state: GroupState
    var view: GroupView
    var epochs: [EpochSecret]
    var invites: InviteBook
    var presence: PresenceMap
    /// Gateways that are joining.
    var joins: [ConnectionID: JoinSession] = [:]
    /// Where this gateway is, as it tells the others.
    var ownAddresses: [HostAddress] = []
    private var addressesSaidAt: Instant?
    /// Up to when ends of trials were noticed.
    var trialsSeenAt: Instant
    /// Whether the clock could be believed when it was looked at last.
    private var calendarWasKnown = true
    /// What could not be written, for status.
    var saveProblems: [Saved: String] = [:]
    /// Secrets that are not on the disk yet.
    var unsavedEpochs: [EpochSecret] = []
    /// The secrets that are used, the newest last.
    var epochsInUse: [EpochSecret] = []
    /// When what holds for a time only is over, by its hash.
    var trials: [Bytes32: Instant] = [:]
    /// Called with what the gateway now has, whenever that changes.
    private let onView: (GatewayConfiguration) -> Void
    private var streams: [PublicKey: GroupStream] = [:]
    private var keys: [GatewayID: PublicKey] = [:]
    var ids: [PublicKey: GatewayID] = [:]
    private var tick: Scheduled<Void>?
    private var tickAt: Instant = .distantFuture
    private var nextUpkeep: Instant
    /// When the group is written next; far away when the disk has all of it.
    private(set) var saveAt: Instant = .distantFuture
    private var isSettling = false
    /// What may have been missed.
    var sleep: GroupSleep
    private(set) var isStopped = false
    let startedAt: Instant
    /// Since when there is an exchange with anybody.
    private(set) var neighbourSince: Instant?
    /// It was up to date once since it was started.
    var wasReady = false
    /// What a neighbour can have logged.
    var complaints = ComplaintLimit()
    /// How members behave, as long as there is something to remember.
    var conduct: [PublicKey: NeighbourConduct] = [:]
    /// The secrets of the time before that neighbours were asked for over the present channel, by their records' ids.
    var earlierAsked: [PublicKey: Set<[UInt8]>] = [:]
    /// What other admins were asked, by a random number.
    var requests: [UInt64: WaitingRequest] = [:]
    /// What other admins have asked and wait for, counted.
    var answering: [PublicKey: Int] = [:]
    /// Introductions through members.
    var introductions = MemberIntroductions()
    /// Where members were reached, and when that is written.
    var reach: ReachBook
    var reachPace: WritePace
    /// What was there could not be read.
    let isReachRefused: Bool
    /// What the gateway was told last of matchmakers.
    var toldMatchPlan: MatchPlan?

    static let savePause = Interval.milliseconds(500)
    private static let addressSavePause = Interval.seconds(3_600)
    private static let addressPause = Interval.seconds(10)

    /// The gateway's part, before its sockets are open.
    init(
        _ start: GroupStart, core: GatewayCore, identity: Identity, onView: @escaping (GatewayConfiguration) -> Void
    ) {
        self.core = core
        self.identity = identity
        self.onView = onView
        writer = StateWriter(start.directory, on: core.eventLoop)
        member = start.file.member
        introducer = start.file.introducer
        settings = start.settings
        (reach, isReachRefused) = start.reach
        reachPace = WritePace(now: core.currentTime())
        let document = start.file.document.held
        sync = GroupSync(document, own: identity.publicKey)
        state = GroupState(document)
        epochs = start.epochs
        invites = start.invites
        presence = PresenceMap(
            own: PresenceTag(identity.gatewayID), boot: core.bootID, version: DXVersion.current)
        // Nobody knows how long ago what is on the disk began to hold.
        for tunnel in state.tunnels where tunnel.trial != nil { trials[tunnel.hash] = core.currentTime() }
        view = GroupView(
            state, member: member, introducer: introducer, ids: &ids, calendar: nil, lapsed: Set(trials.keys))
        trialsSeenAt = core.currentTime()
        startedAt = core.currentTime()
        sleep = GroupSleep(now: startedAt)
        nextUpkeep = core.currentTime() + core.tuning.groupUpkeepInterval
    }

    /// The group.
    var group: GroupID { sync.document.group }

    /// Whether this gateway may sign for the group.
    var isAdmin: Bool { state.admins.contains(identity.publicKey) }

    // MARK: Life

    /// The sockets are open: follow the document, tell where this gateway is.
    func start(local: [Endpoint]) {
        ownAddresses = currentAddresses(local)
        wasReady = isReady
        startReach(port: local.first?.port)
        followVeils()
        refresh()
        sayAddresses()
        settle()
    }

    private func currentAddresses(_ local: [Endpoint]) -> [HostAddress] {
        settings.advertise.isEmpty ? LocalAddresses.reachable(local).map(HostAddress.init) : settings.advertise
    }

    /// The host has other addresses: the others are told, within the pace of such records.
    func addressesChanged() {
        let addresses = currentAddresses(core.socket?.localEndpoints ?? [])
        // Without a network there is nothing to tell, and nobody to hear it.
        guard !isStopped, !addresses.isEmpty, addresses != ownAddresses else { return }
        ownAddresses = addresses
        sayAddresses()
    }

    /// Lets everything go; what is not on the disk yet is written first.
    func stop() -> EventLoopFuture<Void> {
        guard !isStopped else { return core.eventLoop.makeSucceededVoidFuture() }
        isStopped = true
        tick?.cancel()
        endRequests()
        for stream in streams.values { stream.end() }
        streams.removeAll()
        if !isSaved { _ = saveGroup() }
        if saveProblems[.invites] != nil { _ = saveInvites() }
        saveReach()
        return writer.finish()
    }

    /// The members with which documents are exchanged.
    var neighbours: [PublicKey] { Array(streams.keys) }

    /// The key of another member; nil when it is none.
    func key(of id: GatewayID) -> PublicKey? { keys[id] }

    /// The exchange with a member; nil when there is none.
    func stream(to neighbour: PublicKey) -> GroupStream? { streams[neighbour] }

    /// What the disk is to hold.
    var file: GroupFile { GroupFile(sync.document, member: member, introducer: introducer) }

    // MARK: Channels

    /// The channel to a member is up. The one with the lower id opens the stream.
    func onChannelUp(_ channel: PeerChannel) {
        guard !isStopped, channel.peer.role == .lower, let key = keys[channel.peer.id] else { return }
        var made: GroupStream?
        _ = try? channel.openStream(internalPort: GroupStream.internalPort, streamClass: .interactive, share: 256) {
            let stream = GroupStream(key, id: $0, on: channel, agent: self)
            made = stream
            return .group(stream)
        }
        if let made { begin(made) }
    }

    /// A member opened the stream; nil when it may not. Each channel has one, or a member could make this gateway keep a part
    /// of a message for each of thousands.
    func accept(_ id: StreamID, on channel: PeerChannel) -> GroupStream? {
        guard !isStopped, let key = keys[channel.peer.id], streams[key]?.channel !== channel, mayReceive(from: key)
        else {
            return nil
        }
        let stream = GroupStream(key, id: id, on: channel, agent: self)
        begin(stream)
        return stream
    }

    private func begin(_ stream: GroupStream) {
        charge(stream.neighbour, NeighbourConduct.streamCost)
        streams[stream.neighbour] = stream
        earlierAsked[stream.neighbour] = nil
        sync.connected(stream.neighbour)
        presence.connected(stream.neighbour)
        neighbourSince = neighbourSince ?? core.currentTime()
        notePresence()
        askForEpochs()
        sendRequests(to: stream.neighbour)
        settle()
    }

    /// A stream is over.
    func ended(_ stream: GroupStream) {
        guard streams[stream.neighbour] === stream else { return }
        streams[stream.neighbour] = nil
        secretMessages[stream.neighbour] = nil
        earlierAsked[stream.neighbour] = nil
        failRequests(to: stream.neighbour)
        sync.disconnected(stream.neighbour, now: core.currentTime())
        presence.disconnected(stream.neighbour)
        notePresence()
        settle()
    }

    /// What comes next for a neighbour.
    func nextMessage(to neighbour: PublicKey) -> GroupMessage? {
        if var waiting = secretMessages[neighbour], !waiting.isEmpty {
            let message = waiting.removeFirst()
            secretMessages[neighbour] = waiting
            return message
        }
        return sync.pollMessage(to: neighbour) ?? presence.pollMessage(to: neighbour)
    }

    /// Of epochs' secrets and of admins' requests, which are not the document's.
    var secretMessages: [PublicKey: [GroupMessage]] = [:]

    /// A neighbour's message.
    func receive(_ message: GroupMessage, from stream: GroupStream) {
        switch message {
        case .epochWanted(let id): tellEpoch(id, to: stream.neighbour)
        case .epoch(let number, let secret): takeEpoch(number, secret)
        case .request(let number, let body): receiveRequest(number, body, from: stream.neighbour)
        case .answer(let number, let body): receiveAnswer(number, body, from: stream.neighbour)
        case .introduce(let target, let sealed): passOn(to: target, sealed, from: stream)
        case .introduced(let peer, let observed, let sealed):
            receiveIntroduction(of: peer, at: observed, sealed, from: stream)
        case .presenceSummary, .presenceList, .presence, .reached:
            presence.receive(message, from: stream.neighbour, now: core.currentTime())
            introduceWanted()
        case .summary, .branches, .list, .have, .want, .records, .unknown:
            sync.receive(message, from: stream.neighbour, now: core.currentTime())
        }
        settle()
    }

    // MARK: Following the document

    /// Uses what is new, sends what there is, arms the timer.
    func settle() {
        guard !isSettling, !isStopped else { return }
        isSettling = true
        defer { isSettling = false }
        var isChanged = false
        var isConfiguration = false
        while let record = sync.pollChange() {
            isChanged = true
            isConfiguration = isConfiguration || record.key.kind != .address
        }
        if isChanged {
            state = GroupState(sync.document)
            refresh()
            sayAddresses()
            saveSoon(isConfiguration ? Self.savePause : Self.addressSavePause)
        }
        for stream in streams.values { stream.pump() }
        arm()
    }

    /// Has the gateway do what the document says.
    func refresh() {
        followTrials()
        view = GroupView(
            state, member: member, introducer: introducer, callsAdmins: !sleep.isOver, ids: &ids,
            calendar: calendar, lapsed: lapsed)
        view.wanted.formUnion(asked)
        keys = [:]
        for other in state.members where other.id != member {
            if let id = ids[other.record.key] { keys[id] = other.record.key }
        }
        if let introducer, let id = ids[introducer.key] { keys[id] = introducer.key }
        calendarWasKnown = calendar != nil
        followEpochs()
        followMembers()
        let configuration = core.apply(view)
        onView(configuration)
        notePresence()
        noteMatchPlan()
    }

    /// Tells the group where this gateway is, unless it says so already. Only a member is heard.
    private func sayAddresses() {
        let now = core.currentTime()
        // Another gateway with this key says something else; the two must not contradict each other for ever.
        guard view.name != nil, !ownAddresses.isEmpty, addressesSaidAt.map({ $0 + Self.addressPause <= now }) ?? true,
            presence.twinHeardAt == nil
        else { return }
        let key = GroupRecord.Key(kind: .address, id: identity.publicKey.bytes)
        let last = sync.document.history(of: key, by: identity.publicKey).first
        let body = AddressRecord(addresses: Array(ownAddresses.prefix(AddressRecord.mostAddresses))).body
        guard last?.body != body else { return }
        // Not heard yet: an admin that joins is a member by the root key's word before the record comes that allows this.
        guard (try? say(.address, id: key.id, revision: (last?.revision ?? 0) + 1, body: body)) != nil else { return }
        addressesSaidAt = now
    }

    // MARK: Time

    private func arm() {
        let next = min(
            nextUpkeep, sync.nextDeadline ?? .distantFuture, presence.nextDeadline ?? .distantFuture, saveAt,
            invites.nextDeadline ?? .distantFuture, nextTrialEnd ?? .distantFuture, reachPace.due ?? .distantFuture)
        guard next < tickAt || tick == nil else { return }
        tick?.cancel()
        tickAt = next
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        let wait = max(0, (next - core.currentTime()).nanoseconds)
        tick = core.eventLoop.scheduleTask(in: .nanoseconds(wait)) { bound.value.fired() }
    }

    private func fired() {
        tick = nil
        tickAt = .distantFuture
        guard !isStopped else { return }
        let now = core.currentTime()
        sync.tick(now: now)
        presence.tick(now: now)
        if saveAt <= now {
            _ = saveGroup()
            if saveProblems[.invites] != nil { _ = saveInvites() }
        }
        if nextTrialEnd.map({ $0 <= now }) ?? false {
            trialsSeenAt = now
            refresh()
        }
        if reachPace.due.map({ $0 <= now }) ?? false { saveReach() }
        if invites.expire(now: now) {
            followVeils()
            _ = saveInvites()
        }
        if nextUpkeep <= now {
            nextUpkeep = now + core.tuning.groupUpkeepInterval
            upkeep(now: now)
        }
        settle()
    }

    private func upkeep(now: Instant) {
        expireJoins(now: now)
        forgetConduct(now: now)
        askForEpochs()
        notePresence()
        sayAddresses()
        noteSleep(now: now)
        mendEpochs()
        core.endNeedlessChannels(keeping: view.wanted.union(view.wantedBy), now: now)
        core.retryListeners()
        core.lan?.lookAround(now: now)
        noteMatchPlan()
        let isOver = view.nextEnd.map { end in calendar.map { Int64(clamping: end) <= $0 } ?? true } ?? false
        if isOver || calendarWasKnown != (calendar != nil) { refresh() }
    }

    /// Writes the group after a while.
    func saveSoon(_ pause: Interval) { saveAt = min(saveAt, core.currentTime() + pause) }

    /// Writes it no more: what there is goes to the disk now.
    func saveNoLater() { saveAt = .distantFuture }

    /// Has the timer see what is due.
    func rearm() { if !isStopped { arm() } }
}

@available(*, unavailable)
extension GroupAgent: Sendable {}

extension Timestamp {
    /// Seconds since 1970, rounded down.
    var wholeSeconds: Int64 { unixMilliseconds >= 0 ? unixMilliseconds / 1_000 : 0 }
}
