import CDXSystem
import DXMatch
import DXSecure
import DXWire

/// The simulated gateways and what is going on with them: one thread, one socket, one loop.
final class Load {
    /// What went otherwise than it should, or was refused.
    struct Counts {
        /// Answers that are a refusal, by status.
        var statuses: [UInt8: Int] = [:]
        /// TICKET_REFUSED.
        var ticketsRefused = 0
        /// What the matchmaker's keys did not seal.
        var notAuthentic = 0
        /// What answers nothing that was asked.
        var unmatched = 0
        /// What is authentic and says something wrong: an address, a tag or a blob.
        var wrong = 0
        /// Notices that came again.
        var repeatedNotices = 0

        mutating func refuse(_ status: MatchStatus) { statuses[status.rawValue, default: 0] += 1 }
    }

    let arguments: Arguments
    let pin: GatewayID
    let socket: LoadSocket
    let blobs: Blobs
    var wire: Wire
    var groups: [Group]
    var members: [Member]
    var random: RandomSource
    var counts = Counts()
    var tickets = TicketPhase()
    var registrations = Registrations()
    var refreshes: Refreshes
    var introductions: Introductions
    var strangers: Strangers

    init(_ arguments: Arguments, groups: [Group], server: Endpoint, pin: GatewayID) throws(SecureError) {
        let now = Self.now
        self.arguments = arguments
        self.groups = groups
        self.pin = pin
        socket = LoadSocket(server: server)
        random = RandomSource(seed: UInt64(now.nanoseconds))
        wire = try Wire(pin: pin, sequence: random.next() >> 2)
        blobs = Blobs(candidates: arguments.candidates)
        members = [Member](repeating: Member(), count: arguments.members)
        refreshes = Refreshes(interval: arguments.refreshSeconds, now: now)
        introductions = Introductions(rate: arguments.introductions, now: now)
        strangers = Strangers(rate: arguments.strangers, now: now)
    }

    static var now: Instant { Instant(nanoseconds: dx_monotonic_nanoseconds()) }

    /// Members lie in their groups by turns, so that one that registers is followed by one of another group.
    func group(of member: Int) -> Int { member % groups.count }

    // MARK: Phases

    /// Everything, from the first handshake to the last introduction.
    func run() {
        var started = Self.now
        while !tickets.isDone(self) { turn { load, now in load.tickets.step(load, now: now) } }
        Report.tickets(self, since: started)
        started = Self.now
        refreshes = Refreshes(interval: arguments.refreshSeconds, now: started)
        var stages = arguments.stages[...]
        while !registrations.isDone(self) {
            turn { load, now in
                load.registrations.step(load, now: now)
                load.refreshes.step(load, now: now)
            }
            if let stage = stages.first, registrations.done >= stage {
                stages.removeFirst()
                Report.stage(self, since: started)
            }
        }
        Report.registered(self, since: started)
        hold()
    }

    /// All are there: refreshes, introductions, and strangers beside.
    private func hold() {
        let started = Self.now
        let before = (socket.sent, socket.received)
        var refreshes = Refreshes(interval: arguments.refreshSeconds, now: started)
        swap(&refreshes, &self.refreshes)
        introductions = Introductions(rate: arguments.introductions, now: started)
        strangers = Strangers(rate: arguments.strangers, now: started)
        let end = started + Interval(nanoseconds: Int64(arguments.seconds * 1e9))
        var isEnding = false
        while !isEnding || !introductions.isIdle {
            turn { load, now in
                isEnding = now >= end
                load.refreshes.step(load, now: now)
                load.introductions.step(load, isEnding: isEnding, now: now)
                if !isEnding { load.strangers.step(load, now: now) }
            }
        }
        Report.held(self, before, since: started)
    }

    /// One turn of the loop: what came, what is due, and a rest of a millisecond when there is nothing.
    private func turn(_ step: (Load, Instant) -> Void) {
        var now = Self.now
        var hasCome = false
        // As much as one step may have asked for, so that nothing piles up; no more, so that the step has its turn.
        for _ in 0..<4 {
            guard socket.receive({ receive($0, at: $1, now: Self.now) }) else { break }
            hasCome = true
        }
        now = Self.now
        step(self, now)
        socket.flush()
        if !hasCome { socket.wait(.milliseconds(1)) }
    }

    // MARK: What comes

    private func receive(_ datagram: RawSpan, at local: UInt32, now: Instant) {
        guard !AddressPlan.isStranger(local) else { return strangers.receive() }
        guard let member = AddressPlan.member(at: local), member < members.count || member < groups.count else {
            counts.unmatched += 1
            return
        }
        if member < groups.count, groups[member].keys == nil {
            return tickets.receive(datagram, member, self, now: now)
        }
        guard let message = wire.cryptography.open(datagram: datagram),
            let parsed = try? unsafe MatchMessage(reading: message.span.bytes)
        else {
            counts.notAuthentic += 1
            return
        }
        switch parsed {
        case .refreshed(let refreshed): refreshes.receive(refreshed, member, self)
        case .answer(let answer):
            if registrations.receive(answer, message, member, self, now: now) { return }
            if introductions.receive(answer, message, member, self, now: now) { return }
            counts.unmatched += 1
        case .notice(let notice): introductions.receive(notice, message, member, self, now: now)
        case .ticketRefused: counts.ticketsRefused += 1
        case .cookie, .serverFlight, .cookieWanted, .clientFlight, .request, .refresh, .stunRequest, .stunAnswer:
            counts.unmatched += 1
        }
    }
}
