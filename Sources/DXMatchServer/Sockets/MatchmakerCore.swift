import DXMatch
import DXSecure
import DXSocket
import DXWire
import Logging
import NIOCore

/// A matchmaker's sockets and their front, on one event loop.
final class MatchmakerCore: WakeupHandler {
    /// The time that the front is told is the monotonic clock's, moved so that it counts from 1970: it never goes backwards, and
    /// instances agree on days and slots.
    let epoch: Interval
    let eventLoop: any EventLoop
    let logger: Logger
    var front: MatchFront
    /// What is kept on disk; nil where the owner keeps it.
    var state: MatchState?
    /// Where events for other instances go.
    var onEvent: ((RegistryEvent) -> Void)?
    /// Answers that the kernel or its queue had no room for.
    private(set) var unsent: UInt64 = 0

    private var sets: [OpenSet] = []
    private var places = PlaceTable()
    private var timer: WakeupTimer<MatchmakerCore>?
    private var isClosed = false

    /// The sockets of one address.
    private struct OpenSet {
        /// What clients see, where the address is a certain one.
        var fixed: Endpoint?
        /// The port of the first socket.
        var port: UInt16 = 0
        /// Of the second; nil if there is none.
        var alternatePort: UInt16?
        var alternateAddress: Endpoint?
        /// By role: first, other port, other address, both.
        var sockets: [STUNChange: UDPEndpoint<MatchSocket>] = [:]
    }

    /// A core without sockets; `open` has them. Bound to `eventLoop`.
    init(
        _ configuration: MatchFrontConfiguration, state: MatchState?, logger: Logger, on eventLoop: any EventLoop
    ) throws(SecureError) {
        epoch = UnixClock.now() - MonotonicClock.now()
        self.eventLoop = eventLoop
        self.logger = logger
        self.state = state
        front = try MatchFront(configuration, now: MonotonicClock.now() + epoch)
        timer = WakeupTimer(on: eventLoop, handler: self)
    }

    // MARK: Sockets

    /// Opens all sockets, or none.
    func open(_ listen: MatchListen) throws {
        do {
            for set in try listen.sets() {
                // In the list before it is whole: what was opened is closed if the rest cannot be.
                sets.append(OpenSet())
                try open(set, alternatePort: listen.alternatePort, at: sets.count - 1)
            }
        } catch {
            close()
            throw error
        }
        armTimer(now: MonotonicClock.now() + epoch)
    }

    private func open(_ set: MatchListen.SocketSet, alternatePort: UInt16?, at index: Int) throws(BindError) {
        let first = try socket(set.address, role: [], of: index)
        let port = first.localEndpoints.first?.port ?? set.address.port
        sets[index].port = port
        if case .address(let address) = set.address.host, !address.isUnspecified {
            sets[index].fixed = address.withPort(port)
        }
        guard let other = set.alternate?.port ?? alternatePort else { return }
        let second = try socket(set.address.withPort(other), role: .port, of: index)
        let otherPort = second.localEndpoints.first?.port ?? other
        sets[index].alternatePort = otherPort
        guard let alternate = set.alternate else { return }
        _ = try socket(ListenAddress(alternate.withPort(port)), role: .address, of: index)
        _ = try socket(ListenAddress(alternate.withPort(otherPort)), role: [.address, .port], of: index)
        sets[index].alternateAddress = alternate.withPort(otherPort)
    }

    private func socket(
        _ address: ListenAddress, role: STUNChange, of index: Int
    ) throws(BindError) -> UDPEndpoint<MatchSocket> {
        let handler = MatchSocket(core: self, set: index, role: role)
        let endpoint = try UDPEndpoint(
            listen: address, configuration: Self.socketConfiguration, on: eventLoop, handler: handler)
        sets[index].sockets[role] = endpoint
        return endpoint
    }

    /// Many small datagrams from many: no runs, slots of the largest size that is ever taken and one more byte to know longer ones.
    private static var socketConfiguration: SocketConfiguration {
        var configuration = SocketConfiguration()
        configuration.usesSegmentationOffload = false
        configuration.usesReceiveOffload = false
        configuration.receiveSlotCount = 32
        configuration.receiveSlotByteCount = 2_048
        configuration.stripeCount = 1
        return configuration
    }

    /// The addresses of all sockets, in the order in which they were asked for.
    var localEndpoints: [Endpoint] {
        let roles: [STUNChange] = [[], .port, .address, [.address, .port]]
        return sets.flatMap { set in roles.flatMap { set.sockets[$0]?.localEndpoints ?? [] } }
    }

    /// The counters of all sockets.
    var socketStatistics: [SocketStatistics] { sets.flatMap { $0.sockets.values.map(\.statistics) } }

    /// Closes all sockets.
    @discardableResult
    func close() -> EventLoopFuture<Void> {
        isClosed = true
        timer?.cancel()
        let closing = sets.flatMap { $0.sockets.values.map { $0.close() } }
        sets.removeAll()
        return EventLoopFuture.andAllComplete(closing, on: eventLoop)
    }

    // MARK: Datagrams

    /// Takes a datagram that came to a socket.
    func received(
        _ datagram: RawSpan, from source: Endpoint, local: Endpoint?, set index: Int, role: STUNChange, now: Instant
    ) {
        guard index < sets.count else { return }
        let set = sets[index]
        let local = local.flatMap { $0.isUnspecified ? nil : $0.withPort(0) }
        var place = MatchPlace(socket: places.number(set: index, role: role, local: local), role: role)
        if let primary = set.fixed ?? local?.withPort(set.port) {
            place.sockets = STUNServer.Sockets(
                primary: primary, alternatePort: set.alternatePort, alternateAddress: set.alternateAddress)
        }
        guard let reply = front.receive(datagram, from: source, at: place, now: now + epoch) else { return }
        // Another address is another socket's; another port has the same address.
        let leaves = reply.role.contains(.address) == role.contains(.address) ? local : nil
        send(reply.datagram, to: source, set: index, role: reply.role, from: leaves)
    }

    private func send(_ datagram: [UInt8], to destination: Endpoint, set: Int, role: STUNChange, from local: Endpoint?)
    {
        guard set < sets.count, let socket = sets[set].sockets[role] else { return }
        let result = socket.sender.append(
            to: destination, from: local, ecn: .notECT, maximumByteCount: datagram.count
        ) { $0.write(datagram.raw) }
        if result != .queued { unsent &+= 1 }
    }

    /// Serves these groups from now on.
    func serve(_ groups: ServedGroups) {
        front.groups = groups
        settle(now: MonotonicClock.now())
    }

    /// Sends what was queued and what is due. After each batch of datagrams, and when the timer fires.
    func settle(now monotonic: Instant) {
        let now = monotonic + epoch
        while let notice = front.pollNotice(now: now) {
            guard let place = places[notice.socket] else { continue }
            send(notice.datagram, to: notice.destination, set: place.set, role: place.role, from: place.local)
        }
        while let event = front.pollEvent() { onEvent?(event) }
        for set in sets { for socket in set.sockets.values { socket.sender.flush() } }
        armTimer(now: now)
    }

    private func armTimer(now: Instant) {
        guard !isClosed else { return }
        timer?.arm(at: front.nextTimeout - epoch)
    }

    func wakeupFired(now: Instant) {
        timeoutFired(now: now + epoch)
        settle(now: now)
    }

    private func timeoutFired(now: Instant) {
        do {
            guard try front.timeoutFired(now: now) else { return }
            try state?.keep(front.ticketChain)
        } catch {
            // Tickets go on: a chain that was not kept is made again from the one that was.
            logger.error("the day's ticket key is not kept", metadata: ["reason": "\(error)"])
        }
    }
}

@available(*, unavailable)
extension MatchmakerCore: Sendable {}

/// Where registrations are bound to, by number: a socket, and the address of this host that the member spoke to, which matters where
/// the socket listens on all.
private struct PlaceTable {
    struct Place: Hashable {
        var set: Int
        var role: STUNChange
        var local: Endpoint?
    }

    private var places: [Place] = []
    private var numbers: [Place: UInt8] = [:]

    subscript(number: UInt8) -> Place? { Int(number) < places.count ? places[Int(number)] : nil }

    /// The number of a place. Of more than 256, which a host with as many addresses has, the rest share one without an address, and
    /// the last number stands for what does not fit even so.
    mutating func number(set: Int, role: STUNChange, local: Endpoint?) -> UInt8 {
        let place = Place(set: set, role: role, local: local)
        if let number = numbers[place] { return number }
        if places.count < 224 || local == nil && places.count < 256 {
            places.append(place)
            let number = UInt8(places.count - 1)
            numbers[place] = number
            return number
        }
        return local == nil ? 255 : number(set: set, role: role, local: nil)
    }
}

/// One socket of a matchmaker, as its `UDPEndpoint` calls it.
final class MatchSocket: DatagramHandler {
    private weak var core: MatchmakerCore?
    private let set: Int
    private let role: STUNChange

    init(core: MatchmakerCore, set: Int, role: STUNChange) {
        self.core = core
        self.set = set
        self.role = role
    }

    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        core?.received(datagram.bytes, from: source, local: local, set: set, role: role, now: now)
    }

    func batchEnded(now: Instant) { core?.settle(now: now) }

    func becameWritable(now: Instant) {}
}
