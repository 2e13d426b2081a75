import DXMatch
import DXSecure
import DXWire

/// Where members of the group were reached last, and what matchmakers gave (`docs/state-directory.md` §6): what a gateway needs to
/// find the others again after a restart while no matchmaker answers. Pure.
///
/// Nothing depends on it: an address is called and proves itself, a ticket is good or is refused.
struct ReachBook: Sendable {
    /// Where a member was reached.
    struct Place: Hashable, Sendable {
        /// Its address.
        var remote: Endpoint
        /// The address and port of ours; nil when it is not known.
        var base: Endpoint?
        /// When it was heard last, in seconds since 1970 by this gateway's calendar.
        var heardAt: Int64
    }

    /// Whose ticket it is.
    struct TicketName: Hashable, Sendable {
        /// The matchmaker.
        var pin: GatewayID
        /// The public half of the match key.
        var matchKey: PublicKey
    }

    /// A ticket, as `MatchTicket.bytes`.
    struct Ticket: Sendable {
        var bytes: SecretBytes
        /// When it was written down, in seconds since 1970.
        var writtenAt: Int64
    }

    /// The port of this gateway's socket: where NATs had their bindings from. 0 when it is not known.
    var port: UInt16 = 0
    var places: [GatewayID: Place] = [:]
    var tickets: [TicketName: Ticket] = [:]

    /// A group has a few hundred members; of more those that were heard last.
    static let mostPlaces = 1_024
    /// `MatchServersRecord.most`, under a few match keys.
    static let mostTickets = 32
    /// What was good a month ago is somebody else's by now.
    static let placeTime: Int64 = 30 * 86_400

    /// An empty book.
    init() {}

    // MARK: Places

    /// A member was reached; whether that is another place than before.
    mutating func note(_ member: GatewayID, _ place: Place) -> Bool {
        guard Self.isWorthKeeping(place.remote) else { return false }
        let known = places.updateValue(place, forKey: member)
        if places.count > Self.mostPlaces { forgetOldest() }
        return known?.remote != place.remote || known?.base != place.base
    }

    /// It is heard there still.
    mutating func heard(_ member: GatewayID, at calendar: Int64) { places[member]?.heardAt = calendar }

    /// Forgets all others.
    mutating func keepPlaces(of members: (GatewayID) -> Bool) { places = places.filter { members($0.key) } }

    /// Forgets what is too old. A calendar that is behind makes nothing old.
    mutating func expire(calendar: Int64) { places = places.filter { calendar - $0.value.heardAt <= Self.placeTime } }

    private mutating func forgetOldest() {
        let oldest = places.min { ($0.value.heardAt, $0.key.text) < ($1.value.heardAt, $1.key.text) }
        if let oldest { places[oldest.key] = nil }
    }

    /// Link-local addresses need an interface, whose number is another one after a restart.
    static func isWorthKeeping(_ remote: Endpoint) -> Bool { remote.isSendable && remote.scope == 0 }

    // MARK: Tickets

    /// Keeps a ticket.
    mutating func keep(_ ticket: MatchTicket, for name: TicketName, calendar: Int64) {
        guard tickets[name] != nil || tickets.count < Self.mostTickets else { return }
        var bytes = ticket.bytes
        tickets[name] = Ticket(bytes: SecretBytes(moving: &bytes), writtenAt: calendar)
    }

    /// Takes a ticket out: its numbers are used once, so nobody else may have it. What has passed by the calendar since it was
    /// written is taken off; a matchmaker refuses one that is over.
    mutating func takeTicket(_ name: TicketName, calendar: Int64) -> MatchTicket? {
        guard let kept = tickets.removeValue(forKey: name) else { return nil }
        let read = kept.bytes.withBytes { bytes in
            MatchTicket(bytes: unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) })
        }
        guard var ticket = read else { return nil }
        let passed = min(max(0, calendar - kept.writtenAt), Self.placeTime)
        ticket.expiresIn = ticket.expiresIn - .seconds(passed)
        return ticket.expiresIn > .zero ? ticket : nil
    }
}
