import DXWire
import Testing

@testable import DXStream

/// CUBIC against the formulas of RFC 9438, worked out here with the mathematics of the RFC in packets and seconds.
@Suite struct CubicTests {
    let datagram = 1200

    /// A flow in congestion avoidance that acknowledges its whole window at the end of each round trip.
    private struct Flow {
        var cubic = Cubic()
        var state = CongestionState(maximumDatagram: 1200)
        var now = Instant(nanoseconds: 5_000_000_000)

        init(packets: Int) { state.setWindow(packets * 1200) }

        mutating func reduce() { state.setWindow(cubic.reduced(from: state.window)) }

        mutating func round(_ trip: Interval, isWindowUnused: Bool = false) {
            now += trip
            acknowledgeWindow(smoothed: trip, isWindowUnused: isWindowUnused)
        }

        mutating func acknowledgeWindow(smoothed: Interval, isWindowUnused: Bool = false) {
            for _ in 0..<(state.window / 1200) {
                cubic.onAcknowledged(
                    bytes: 1200, isWindowUnused: isWindowUnused, smoothedRTT: smoothed, now: now,
                    state: &state)
            }
        }

        var packets: Double { Double(state.window) / 1200 }
    }

    @Test func reducesToSevenTenths() {
        var flow = Flow(packets: 1_000)
        flow.reduce()
        #expect(flow.state.window == 840_000)
    }

    /// RFC 9438 §4.2: `W_cubic(t) = 0.4 (t - K)^3 + W_max`, `K` the cube root of `0.3 W_max / 0.4`.
    @Test(arguments: [300, 1_000, 3_000])
    func followsTheCurve(packets: Int) {
        var flow = Flow(packets: packets)
        flow.reduce()
        let plateau = Double(packets)
        let timeToPlateau = Cubic.cubeRoot(0.3 * plateau / 0.4)
        flow.acknowledgeWindow(smoothed: .milliseconds(100))
        let start = flow.now
        while (flow.now - start).secondsAsDouble < 2 * timeToPlateau {
            flow.round(.milliseconds(100))
            // The window follows the curve one round trip ahead (§4.4), by steps that never quite reach it.
            let span = (flow.now - start).secondsAsDouble - timeToPlateau
            let low = 0.4 * (span - 0.1) * (span - 0.1) * (span - 0.1) + plateau
            let high = 0.4 * (span + 0.2) * (span + 0.2) * (span + 0.2) + plateau
            #expect(flow.packets > low - 2 && flow.packets < high + 2, "at \(span) s of the plateau")
        }
        // Twice K after the loss the curve is as far above the plateau as it began below.
        #expect(abs(flow.packets - 1.3 * plateau) < 0.05 * plateau)
    }

    /// RFC 9438 §4.3: where the curve is slow, the window grows as Reno's: 9/17 packets a round up to the old window, one
    /// beyond.
    @Test func isFriendlyToReno() {
        var flow = Flow(packets: 20)
        flow.reduce()
        flow.acknowledgeWindow(smoothed: .milliseconds(5))
        for _ in 0..<8 { flow.round(.milliseconds(5)) }
        #expect(abs(flow.packets - (14 + 9 * 9.0 / 17)) < 0.5)
        while flow.packets < 20 { flow.round(.milliseconds(5)) }
        let atOldWindow = flow.packets
        for _ in 0..<10 { flow.round(.milliseconds(5)) }
        #expect(abs(flow.packets - (atOldWindow + 10)) < 0.8)
    }

    /// RFC 9438 §4.7: a flow reduced below its last maximum aims at 0.85 of where it was.
    @Test func convergesFast() {
        var flow = Flow(packets: 1_000)
        flow.reduce()
        flow.reduce()
        #expect(flow.state.window == 588_000)
        // The plateau is 0.85 * 700 = 595 packets, 6.4 s away from 490.
        for _ in 0..<70 { flow.round(.milliseconds(100)) }
        #expect(flow.packets > 594 && flow.packets < 600)
        var plain = Flow(packets: 700)
        plain.reduce()
        for _ in 0..<70 { plain.round(.milliseconds(100)) }
        #expect(plain.packets > 690)
    }

    /// RFC 9438 §4.2: the target is at most one and a half times the window.
    @Test func growsAtMostByHalfPerRound() {
        var flow = Flow(packets: 100)
        flow.acknowledgeWindow(smoothed: .milliseconds(10))
        flow.now += .seconds(100)
        let before = flow.packets
        flow.acknowledgeWindow(smoothed: .milliseconds(10))
        #expect(flow.packets <= before * 1.65)
        #expect(flow.packets > before * 1.4)
    }

    /// RFC 9438 §4.8, §4.10: without a maximum to return to, the curve starts at its plateau.
    @Test func startsFlatWithoutAMaximum() {
        var flow = Flow(packets: 100)
        flow.acknowledgeWindow(smoothed: .milliseconds(100))
        for _ in 0..<10 { flow.round(.milliseconds(100)) }
        // A second later the curve has grown by 0.4 packets; Reno's window by ten.
        #expect(flow.packets > 109 && flow.packets < 112)
        var dead = Flow(packets: 1_000)
        dead.reduce()
        dead.cubic.onPersistentCongestion()
        dead.state.setWindow(100 * 1200)
        dead.acknowledgeWindow(smoothed: .milliseconds(100))
        for _ in 0..<10 { dead.round(.milliseconds(100)) }
        #expect(dead.packets > 104 && dead.packets < 112)
    }

    /// RFC 9438 §5.8: time in which the window was not used is not part of the epoch.
    @Test func unusedTimeDoesNotCount() {
        var busy = Flow(packets: 1_000)
        busy.reduce()
        for _ in 0..<20 { busy.round(.milliseconds(100)) }
        var paused = Flow(packets: 1_000)
        paused.reduce()
        for _ in 0..<10 { paused.round(.milliseconds(100)) }
        let before = paused.state.window
        for _ in 0..<50 { paused.round(.milliseconds(100), isWindowUnused: true) }
        paused.now += .seconds(3_600)
        paused.cubic.onIdleEnded(now: paused.now)
        #expect(paused.state.window == before)
        for _ in 0..<10 { paused.round(.milliseconds(100)) }
        #expect(paused.state.window == busy.state.window)
    }

    @Test func cubeRoots() {
        var value = 1e-9
        while value < 1e12 {
            let root = Cubic.cubeRoot(value)
            #expect(abs(root * root * root - value) <= value * 1e-12)
            value *= 1.37
        }
        #expect(Cubic.cubeRoot(0) == 0)
        #expect(Cubic.cubeRoot(-1) == 0)
    }

    @Test func layout() {
        #expect(MemoryLayout<Cubic>.stride == 80)
    }
}
