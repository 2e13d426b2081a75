import DXWire

/// One try to get a ticket (`docs/matchmaking.md` §2, §3): cookie, flights, one record each way. It ends within ten seconds, for
/// as long as a matchmaker keeps a handshake.
struct TicketExchange<Handshake: MatchHandshake> {
    /// Where it stands.
    enum Stage { case cookie, flights, record }

    /// Its name.
    let attempt: MatchAttempt
    /// Where it stands.
    var stage = Stage.cookie
    /// The one whose COOKIE came.
    var server: Endpoint?
    /// What it sent.
    var cookie = Block32.zero
    /// The association, once there is a cookie.
    var association: Handshake?
    /// The flight that is repeated until it is answered.
    var flight: [UInt8] = []
    /// How often the flight went out.
    var rounds = 0
    /// When it first went out, for its round trip.
    var firstSentAt: Instant?
    /// When it goes out again, or is given up.
    var dueAt: Instant
    /// When all of it is given up.
    let endsAt: Instant
    /// How often a flight goes out at most.
    var maximumRounds: Int

    /// A first round and four more: of five datagrams one comes through almost any network.
    static var rounds: Int { 5 }
    /// The time that a matchmaker keeps a handshake.
    static var patience: Interval { .seconds(10) }

    /// Puts the next flight in place of the one that was answered.
    mutating func begin(_ stage: Stage, _ flight: [UInt8], now: Instant) {
        self.stage = stage
        self.flight = flight
        rounds = 0
        firstSentAt = nil
        dueAt = now
    }
}
