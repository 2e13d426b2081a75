import DXWire
import Testing

@testable import DXStream

/// When a path is doubted, given up, asked and trusted again.
@Suite struct PathLivenessTests {
    private let start = Instant.zero + .seconds(100)

    @Test func oneMissedAnswerIsForgivenWithTheNext() {
        var path = PathLiveness()
        let isDown = path.onTimeout(now: start)
        #expect(!isDown)
        #expect(path.state == .doubted)
        #expect(path.deadline == nil)
        let isUp = path.onAnswer(now: start + .milliseconds(50))
        #expect(isUp)
        #expect(path.state == .up)
    }

    @Test func twoInARowTakeItDownAndItIsAskedMoreAndMoreRarely() {
        var path = PathLiveness()
        _ = path.onTimeout(now: start)
        let isDown = path.onTimeout(now: start)
        #expect(isDown)
        #expect(path.state == .down)
        var pauses: [Int64] = []
        var now = start
        for _ in 0..<9 {
            guard let due = path.deadline else { break }
            pauses.append((due - now).milliseconds)
            now = due
            let what = path.timeoutFired(now: now)
            #expect(what == .question)
            // A question that is lost changes nothing.
            let isNews = path.onTimeout(now: now + .milliseconds(1))
            #expect(!isNews)
        }
        #expect(pauses == [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
    }

    @Test func itHasToAnswerForAWhileBeforeItIsTrusted() {
        var path = Self.down(at: start)
        let back = start + .seconds(10)
        let isUp = path.onAnswer(now: back)
        #expect(!isUp)
        #expect(path.state == .recovering)
        var questions = 0
        var now = back
        while path.state == .recovering, let due = path.deadline {
            now = due
            switch path.timeoutFired(now: now) {
            case .question:
                questions += 1
                _ = path.onAnswer(now: now)
            case .up: break
            case .nothing: Issue.record("woken for nothing")
            }
        }
        #expect(path.state == .up)
        #expect((now - back).milliseconds == 500)
        #expect(questions >= 3)
        #expect(path.deadline == nil)
    }

    /// What comes and goes is trusted later each time, up to half a minute; what stayed for long begins anew.
    @Test func relapsesAreDamped() {
        var path = Self.down(at: start)
        var now = start
        var trials: [Int64] = []
        for _ in 0..<9 {
            _ = path.onAnswer(now: now)
            let back = now
            while path.state == .recovering, let due = path.deadline {
                now = due
                _ = path.timeoutFired(now: now)
            }
            trials.append((now - back).milliseconds)
            now += .seconds(1)
            _ = path.onTimeout(now: now)
            _ = path.onTimeout(now: now)
        }
        #expect(trials == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000])
        _ = path.onAnswer(now: now)
        while path.state == .recovering, let due = path.deadline {
            now = due
            _ = path.timeoutFired(now: now)
        }
        now += .seconds(61)
        _ = path.onTimeout(now: now)
        _ = path.onTimeout(now: now)
        _ = path.onAnswer(now: now)
        let back = now
        while path.state == .recovering, let due = path.deadline {
            now = due
            _ = path.timeoutFired(now: now)
        }
        #expect((now - back).milliseconds == 500)
    }

    @Test func missingAnAnswerOnTrialTakesItDownAgain() {
        var path = Self.down(at: start)
        _ = path.onAnswer(now: start + .seconds(1))
        let isDown = path.onTimeout(now: start + .milliseconds(1_100))
        #expect(isDown)
        #expect(path.state == .down)
    }

    private static func down(at time: Instant) -> PathLiveness {
        var path = PathLiveness()
        _ = path.onTimeout(now: time)
        _ = path.onTimeout(now: time)
        return path
    }
}
