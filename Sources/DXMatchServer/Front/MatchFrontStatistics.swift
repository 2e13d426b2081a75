public import DXMatch

/// Why a datagram to a matchmaker got no answer, where the machine behind the front never heard of it. Counted.
public enum MatchFrontDrop: String, Error, CaseIterable, Sendable {
    /// It came from an address to which nothing can be sent.
    case unusableSource = "unusable_source"
    /// It does not open: whoever sent it does not know the pin, or it is longer than 1,200 bytes.
    case unopened
    /// It opens and cannot be read.
    case malformed
    /// A type of another version of this protocol, or one that only matchmakers send.
    case unknownType = "unknown_type"
    /// A version that this matchmaker does not speak.
    case unknownVersion = "unknown_version"
    /// A FLIGHT whose cookie is not good.
    case wrongCookie = "wrong_cookie"
    /// There are as many handshakes as there may be.
    case handshakesFull = "handshakes_full"
    /// The sender's address prefix has as many handshakes as it may have, or began too many lately.
    case handshakeRate = "handshake_rate"
    /// The handshake failed, or something else came where a wish for a ticket was expected.
    case handshakeFailed = "handshake_failed"
    /// A request whose seal is broken.
    case unsealed
    /// STUN that is no Binding request, or was too much for its prefix.
    case stun
    /// OpenSSL failed: out of memory.
    case cryptography
}

/// Counts since the start of what a matchmaker's front did.
public struct MatchFrontStatistics: Equatable, Sendable {
    /// Datagrams that came.
    public internal(set) var received: UInt64 = 0
    /// Their bytes of UDP payload.
    public internal(set) var receivedByteCount: UInt64 = 0
    /// Answers.
    public internal(set) var sent: UInt64 = 0
    /// Their bytes of UDP payload.
    public internal(set) var sentByteCount: UInt64 = 0
    /// Cookies given.
    public internal(set) var cookies: UInt64 = 0
    /// Handshakes begun.
    public internal(set) var handshakes: UInt64 = 0
    /// Handshakes that took too long.
    public internal(set) var handshakesExpired: UInt64 = 0
    /// Flights that came again, and were answered again.
    public internal(set) var repeatedFlights: UInt64 = 0
    /// Tickets granted to holders of a match key.
    public internal(set) var tickets: UInt64 = 0
    /// Tickets granted for OBSERVE only.
    public internal(set) var observeTickets: UInt64 = 0
    /// Wishes for a ticket with a match key that is not served.
    public internal(set) var notServed: UInt64 = 0
    /// Wishes for a ticket whose signature is not the match key's.
    public internal(set) var wrongTicketSignatures: UInt64 = 0
    /// Requests answered with TICKET_REFUSED.
    public internal(set) var ticketsRefused: UInt64 = 0
    /// STUN requests answered.
    public internal(set) var stunAnswers: UInt64 = 0
    /// What got no answer, by reason; what the machine dropped is counted there.
    public internal(set) var drops: [MatchFrontDrop: UInt64] = [:]

    mutating func count(_ drop: MatchFrontDrop) { drops[drop, default: 0] &+= 1 }
}

/// What a matchmaker holds and has done.
public struct MatchFrontStatus: Equatable, Sendable {
    /// The machine's.
    public var server: MatchServerStatus
    /// The front's.
    public var front: MatchFrontStatistics
    /// Handshakes in progress.
    public var handshakes: Int
    /// Match keys that are served; nil for all.
    public var servedKeys: Int?
}
