import DXMatch
import DXSecure
import DXWire

/// A simulated group: its match key, and the ticket that all its members use. Gateways have a ticket each; the matchmaker keeps
/// nothing of any, and a registration's keys are its own under a shared one, too.
struct Group {
    /// The match key.
    let matchKey: Identity
    /// What its members are registered under.
    let tag: GroupTag
    /// The ticket and its keys, once they are there.
    var ticket: Ticket?
    var keys: MatchKeys?

    /// A new group.
    init(_ random: inout RandomSource) throws(SecureError) {
        matchKey = try Identity.generate()
        tag = GroupTag(high: random.next(), low: random.next())
    }

    /// Takes what a client was granted.
    mutating func take(_ granted: MatchTicket) {
        // What a gateway writes into its state: form (1), ticket, keys (64).
        let bytes = granted.bytes
        var reader = unsafe ByteReader(bytes.span.bytes, at: 1)
        ticket = try? Ticket(reading: &reader)
        keys = MatchKeys(Array(bytes[(1 + Ticket.byteCount)..<(1 + Ticket.byteCount + 64)]))
    }
}

/// Gets a ticket for each group by the machine that gateways use, some at a time.
struct TicketPhase {
    typealias Client = MatchClient<OpenSSLMatchClientCryptography>

    /// Handshakes under way: few of what a matchmaker has room for.
    private static let window = 32

    private var running: [Int: Client] = [:]
    private var next = 0
    /// Handshakes that failed, by what the client said.
    private(set) var failures = 0

    /// Whether all groups have one.
    func isDone(_ load: Load) -> Bool { next == load.groups.count && running.isEmpty }

    /// Begins what there is room for, and does what is due.
    mutating func step(_ load: Load, now: Instant) {
        while running.count < Self.window, next < load.groups.count {
            var client = Client(
                MatchClientConfiguration(pin: load.pin, seed: load.random.next()),
                matchKey: load.groups[next].matchKey, cryptography: load.wire.cryptography, now: now)
            client.setAddresses([load.socket.server], now: now)
            client.observe(now: now)
            running[next] = client
            drain(next, load, now: now)
            next += 1
        }
        for (index, client) in running where client.nextTimeout.map({ $0 <= now }) ?? false {
            running[index]?.timeoutFired(now: now)
            drain(index, load, now: now)
        }
    }

    /// Takes a datagram for the first member of a group.
    mutating func receive(_ datagram: RawSpan, _ member: Int, _ load: Load, now: Instant) {
        guard running[member] != nil else { return }
        running[member]?.receive(
            datagram, from: load.socket.server,
            on: Endpoint(v4: AddressPlan.address(of: member), port: load.socket.port), now: now)
        drain(member, load, now: now)
    }

    private mutating func drain(_ index: Int, _ load: Load, now: Instant) {
        while let event = running[index]?.pollEvent() {
            switch event {
            case .ticketChanged:
                if let granted = running[index]?.exportTicket(now: now) { load.groups[index].take(granted) }
            case .unreachable, .wrongPin, .ticketRefused: failures += 1
            default: break
            }
        }
        // What it would ask with its ticket is not asked.
        if load.groups[index].keys != nil { running[index] = nil }
        while let transmit = running[index]?.pollTransmit(now: now) {
            load.socket.send(transmit.datagram, from: AddressPlan.address(of: index))
        }
    }
}
