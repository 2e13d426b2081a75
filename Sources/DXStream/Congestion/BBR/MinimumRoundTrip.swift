import DXWire

/// The round trip of the path without a queue, and when to look for it anew (BBR draft §5.3.4.3, §5.5.7).
///
/// Two windows: one of five seconds, whose end asks for a ProbeRTT, and one of ten, whose value is used. So a ProbeRTT
/// knows the value of the one before.
///
/// Different from the draft: a sample near the minimum renews it without changing it. It shows that the queue was just
/// now empty, which is all that ProbeRTT is for; it saves a path that drains its queue by itself the two percent that
/// ProbeRTT costs. The value cannot creep up by that: only an expired one is raised.
struct MinimumRoundTrip: Sendable, BitwiseCopyable {
    /// The smallest of the last ten seconds or so; nil before the first sample.
    private(set) var value: Interval?
    private var valueAt = Instant.zero
    private var recent = Interval.max
    private var recentAt = Instant.zero
    /// Nothing near the minimum was seen for five seconds.
    private(set) var isProbeDue = false

    /// BBR.MinRTTFilterLen.
    private static let window = Interval.seconds(10)
    /// BBR.ProbeRTTInterval; all flows use the same, so that they drain a common queue together.
    private static let probeInterval = Interval.seconds(5)

    /// What a path without a queue differs by: a 32nd, which is less queue than any flow wants to have, and 100 us for the
    /// hosts' own unevenness.
    private static func slack(_ value: Interval) -> Interval { value / 32 + .microseconds(100) }

    /// Takes in a round trip.
    mutating func update(_ sample: Interval, now: Instant) {
        isProbeDue = recent != .max && now > recentAt + Self.probeInterval
        if sample < recent || isProbeDue {
            recent = sample
            recentAt = now
        } else if let value, sample <= value + Self.slack(value) {
            recentAt = now
        }
        guard let value, recent >= value, now <= valueAt + Self.window else {
            value = recent
            valueAt = recentAt
            return
        }
        if recent <= value + Self.slack(value) { valueAt = recentAt }
    }

    /// A ProbeRTT ended: the next one is due in five seconds.
    mutating func onProbed(now: Instant) {
        recentAt = now
        isProbeDue = false
    }

    /// Starts from a value measured elsewhere.
    mutating func adopt(_ sample: Interval, now: Instant) {
        value = sample
        valueAt = now
        recent = sample
        recentAt = now
        isProbeDue = false
    }
}
