import Testing

@testable import DXStream

@Suite struct NewRenoTests {
    @Test func growsByOneDatagramPerWindow() {
        var reno = NewReno()
        var state = CongestionState(maximumDatagram: 1200)
        for _ in 0..<9 { reno.onAcknowledged(bytes: 1200, state: &state) }
        #expect(state.window == 12_000)
        reno.onAcknowledged(bytes: 1200, state: &state)
        #expect(state.window == 13_200)
        for _ in 0..<11 { reno.onAcknowledged(bytes: 1200, state: &state) }
        #expect(state.window == 14_400)
    }

    @Test func partsOfDatagramsAddUp() {
        var reno = NewReno()
        var state = CongestionState(maximumDatagram: 1200)
        for _ in 0..<119 { reno.onAcknowledged(bytes: 100, state: &state) }
        #expect(state.window == 12_000)
        reno.onAcknowledged(bytes: 100, state: &state)
        #expect(state.window == 13_200)
    }

    @Test func halvesAndForgetsThePart() {
        var reno = NewReno()
        var state = CongestionState(maximumDatagram: 1200)
        for _ in 0..<9 { reno.onAcknowledged(bytes: 1200, state: &state) }
        state.setWindow(reno.reduced(from: state.window))
        #expect(state.window == 6_000)
        for _ in 0..<4 { reno.onAcknowledged(bytes: 1200, state: &state) }
        #expect(state.window == 6_000)
        reno.onAcknowledged(bytes: 1200, state: &state)
        #expect(state.window == 7_200)
    }
}
