import Testing

@testable import DXStream

@Suite struct FullPipeTests {
    @Test func threeFlatRoundsAreFull() {
        var pipe = FullPipe()
        #expect(pipe.onRound(rate: 100, hasQueue: false) == true)
        #expect(pipe.onRound(rate: 125, hasQueue: false) == true)
        #expect(pipe.onRound(rate: 156, hasQueue: false) == false)
        #expect(pipe.onRound(rate: 150, hasQueue: false) == false)
        #expect(!pipe.isFullNow)
        #expect(pipe.onRound(rate: 156, hasQueue: false) == false)
        #expect(pipe.isFullNow)
        // Whatever comes then, until a new search.
        #expect(pipe.onRound(rate: 1_000, hasQueue: false) == false)
        pipe.restart(baseline: 156)
        #expect(!pipe.isFullNow)
        #expect(pipe.onRound(rate: 200, hasQueue: true) == true)
    }

    @Test func growthBeginsTheCountAnew() {
        var pipe = FullPipe()
        _ = pipe.onRound(rate: 100, hasQueue: false)
        for _ in 0..<10 {
            #expect(pipe.onRound(rate: pipe.baseline, hasQueue: false) == false)
            #expect(pipe.onRound(rate: pipe.baseline, hasQueue: false) == false)
            #expect(pipe.onRound(rate: pipe.baseline * 1.3, hasQueue: false) == true)
        }
        #expect(!pipe.isFullNow)
    }

    @Test func behindAQueueOneFlatRoundIsEnough() {
        var pipe = FullPipe()
        #expect(pipe.onRound(rate: 100, hasQueue: true) == true)
        #expect(pipe.onRound(rate: 110, hasQueue: true) == false)
        #expect(pipe.isFullNow)
    }
}
