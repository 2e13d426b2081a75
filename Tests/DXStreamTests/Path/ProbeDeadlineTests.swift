import DXWire
import Testing

@testable import DXStream

/// When an answer is missed (RFC 9002 §6.2, RFC 7765).
@Suite struct ProbeDeadlineTests {
    private let start = Instant(nanoseconds: 60_000_000_000)
    private let ackDelay = Interval.milliseconds(25)

    /// A path of 160 ms in the middle of a transfer: a packet each 10 ms, the last acknowledgement at `start`.
    private func path(oldest age: Interval) -> Path {
        var random = RandomSource(seed: 1)
        var path = Path(
            id: PathID(rawValue: 0), overhead: 29, configuration: ChannelConfiguration(), peer: TransportParameters(),
            inheriting: nil, random: &random, now: start - .seconds(10))
        for _ in 0..<64 { path.rtt.update(sample: .milliseconds(160), ackDelay: .zero, maximumAckDelay: ackDelay) }
        for number in 0..<16 {
            path.sent.append(
                SentPacket(
                    sentAt: start - age + .milliseconds(Int64(10 * number)), firstObligation: 0, byteCount: 1_200,
                    state: .outstanding, traits: .isAckEliciting))
        }
        path.loss.largestAcknowledged = 0
        path.loss.lastElicitingSentAt = start
        path.loss.unansweredSince = start
        return path
    }

    @Test func aloneItIsCountedFromTheLastAnswer() throws {
        let path = path(oldest: .milliseconds(150))
        let wait = path.loss.probeInterval(rtt: path.rtt, maximumAckDelay: ackDelay)
        #expect(path.probeDeadline(maximumAckDelay: ackDelay, hasOther: false) == start + wait)
    }

    /// What was sent 150 ms ago is answered next, and its probe timeout is over so much sooner; but half a round trip of silence it takes.
    @Test func withAnotherItIsCountedFromTheOldestPacket() throws {
        let path = path(oldest: .milliseconds(150))
        let deadline = try #require(path.probeDeadline(maximumAckDelay: ackDelay, hasOther: true))
        #expect(deadline == start + .milliseconds(80))
    }

    /// With little on the way, just sent, nothing is due sooner.
    @Test func whatWasJustSentIsWaitedForAsUsual() throws {
        let path = path(oldest: .zero)
        let wait = path.loss.probeInterval(rtt: path.rtt, maximumAckDelay: ackDelay)
        #expect(path.probeDeadline(maximumAckDelay: ackDelay, hasOther: true) == start + wait)
    }

    /// Probes after the first have their backoff.
    @Test func onlyTheFirstIsSooner() throws {
        var path = path(oldest: .milliseconds(150))
        path.loss.probeCount = 1
        let wait = path.loss.probeInterval(rtt: path.rtt, maximumAckDelay: ackDelay)
        #expect(path.probeDeadline(maximumAckDelay: ackDelay, hasOther: true) == start + wait)
    }
}
