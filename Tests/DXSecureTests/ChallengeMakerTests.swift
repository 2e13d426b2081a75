import DXWire
import Testing

@testable import DXSecure

@Suite struct ChallengeMakerTests {
    private let maker = ChallengeMaker()
    private let initiator = GatewayID(Array(0..<32))!
    private let attempt = Attempt(high: 1, low: 2)
    private let remote = Endpoint(v4: 0x0102_0304, port: 7)
    /// The start of a time slot.
    private let start = Instant(nanoseconds: 70_000_000_000)

    @Test func holdsForItsSlotAndTheNext() {
        let proof = maker.make(initiator, attempt, at: remote, now: start)
        for milliseconds in [0, 9_999, 10_000, 19_999] as [Int64] {
            #expect(maker.holds(proof, for: initiator, attempt, at: remote, now: start + .milliseconds(milliseconds)))
        }
        #expect(!maker.holds(proof, for: initiator, attempt, at: remote, now: start + .seconds(20)))
        #expect(!maker.holds(proof, for: initiator, attempt, at: remote, now: start - .milliseconds(1)))
    }

    @Test func everythingCounts() {
        let proof = maker.make(initiator, attempt, at: remote, now: start)
        #expect(!maker.holds(proof, for: GatewayID(Array(1..<33))!, attempt, at: remote, now: start))
        #expect(!maker.holds(proof, for: initiator, Attempt(high: 1, low: 3), at: remote, now: start))
        #expect(!maker.holds(proof, for: initiator, Attempt(high: 0, low: 2), at: remote, now: start))
        let others = [
            remote.withPort(8), Endpoint(v4: 0x0102_0305, port: 7),
            Endpoint(v6High: 0, low: 0x0102_0304, port: 7), Endpoint(v6High: 1, low: 0x0102_0304, port: 7),
            Endpoint(v6High: 0, low: 0x0102_0304, scope: 1, port: 7),
        ]
        for other in others { #expect(!maker.holds(proof, for: initiator, attempt, at: other, now: start)) }
        #expect(!ChallengeMaker().holds(proof, for: initiator, attempt, at: remote, now: start))
    }
}
