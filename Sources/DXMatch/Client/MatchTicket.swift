public import DXWire

/// A ticket with its keys (`docs/matchmaking.md` §3), to be kept in a file, so that the first contact after a restart is one
/// datagram. A secret, but a small one: who has it can take this gateway's place at the matchmaker for a day, and read
/// nothing.
///
/// Each start that takes it must keep it again at once (`ticketChanged`), because sequences are used once.
public struct MatchTicket: Equatable, Sendable {
    /// What is shown with each request.
    var ticket: Ticket
    /// The 64 bytes of its keys.
    var keys: [UInt8]
    /// No request had this number or a higher one.
    var nextSequence: UInt64
    /// How long it is good, counted from when it was exported. Whoever kept it takes off what has passed since.
    public var expiresIn: Interval
    /// The matchmaker's second port; 0 for none.
    var alternatePort: UInt16
    /// The matchmaker's abilities.
    var features: UInt32

    /// The size of its bytes.
    public static let byteCount = 1 + Ticket.byteCount + keyByteCount + 8 + 4 + 2 + 4
    private static let keyByteCount = 64
    /// The first byte: the form of the others.
    private static let form: UInt8 = 1

    init(
        ticket: Ticket, keys: [UInt8], nextSequence: UInt64, expiresIn: Interval, alternatePort: UInt16,
        features: UInt32
    ) {
        self.ticket = ticket
        self.keys = keys
        self.nextSequence = nextSequence
        self.expiresIn = expiresIn
        self.alternatePort = alternatePort
        self.features = features
    }

    /// Reads what `bytes` gave; nil for anything else.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        let span = unsafe bytes.span.bytes
        var reader = ByteReader(span)
        do {
            guard try reader.readUInt8() == Self.form else { return nil }
            ticket = try Ticket(reading: &reader)
            keys = [UInt8](PacketSlice(offset: reader.position, count: Self.keyByteCount), of: span)
            try reader.skip(Self.keyByteCount)
            nextSequence = try reader.readUInt64()
            expiresIn = .seconds(Int64(try reader.readUInt32()))
            alternatePort = try reader.readUInt16()
            features = try reader.readUInt32()
        } catch { return nil }
    }

    /// The bytes for a file, which only its owner may read.
    public var bytes: [UInt8] {
        [UInt8](capacity: Self.byteCount) { output in
            output.write(Self.form)
            ticket.write(to: &output)
            for byte in keys { output.write(byte) }
            output.write(nextSequence)
            output.write(UInt32(clamping: expiresIn.nanoseconds / Interval.seconds(1).nanoseconds))
            output.write(alternatePort)
            output.write(features)
        }
    }
}

extension MatchTicket: CustomStringConvertible {
    /// Nothing of it: it is a secret.
    public var description: String { "(secret)" }
}

/// The ticket in use.
struct HeldTicket<Keys> {
    /// What is shown.
    let ticket: Ticket
    /// What requests and answers are sealed with.
    let keys: Keys
    /// The number of the next request.
    var nextSequence: UInt64
    /// When it was granted, or taken from a file.
    let takenAt: Instant
    /// From here on another one is asked for, while this one is still good.
    let renewAt: Instant
    /// From here on it is of no use.
    let expiresAt: Instant
    /// The matchmaker's second port; 0 for none.
    let alternatePort: UInt16
    /// The matchmaker's abilities.
    let features: UInt32
    /// Whether anything that was sealed with its keys has come back: then the matchmaker knows it for certain.
    var isConfirmed = false

    /// A ticket that has served so long was a good one: what failed before it does not count any more.
    static var trial: Interval { .seconds(60) }
    /// A matchmaker that says less would have us make handshakes all the time.
    static var leastLifetime: Interval { .seconds(60) }
    /// A matchmaker that says more would not know what to do with it.
    static var mostLifetime: Interval { .seconds(7 * 86_400) }
}
