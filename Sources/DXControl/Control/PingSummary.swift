/// The round trips of a ping, summed up for people.
public struct PingSummary: Sendable, CustomStringConvertible {
    private let sent: Int
    private let roundTrips: [UInt64]

    /// A summary of `sent` probes, of which these round trips, in microseconds, came back.
    public init(sent: Int, rttMicroseconds: [UInt64]) {
        self.sent = sent
        roundTrips = rttMicroseconds.sorted()
    }

    /// One round trip: `12.345 ms`.
    public static func text(rttMicroseconds: UInt64) -> String { StatusReport.milliseconds(rttMicroseconds) }

    /// `4 sent, 4 answered; least 1.000 ms, median 2.000 ms, most 9.000 ms`.
    public var description: String {
        let counts = "\(sent) sent, \(roundTrips.count) answered"
        guard let least = roundTrips.first, let most = roundTrips.last else { return counts }
        let median = roundTrips[roundTrips.count / 2]
        return "\(counts); least \(StatusReport.milliseconds(least)), median \(StatusReport.milliseconds(median)),"
            + " most \(StatusReport.milliseconds(most))"
    }
}
