import DXWire
import Testing

@testable import DXTunnel

@Suite struct CallTurnsTests {
    private func addresses(_ count: Int) -> [Endpoint] {
        (0..<count).map { Endpoint(v4: 0xC000_0200 + UInt32($0), port: 7_700) }
    }

    @Test(arguments: [0, 1, CallTurns.atOnce]) func fewAreCalledTogether(count: Int) {
        var turns = CallTurns()
        for _ in 0..<3 { #expect(turns.next(of: addresses(count), known: nil) == addresses(count)) }
    }

    @Test(arguments: [9, 16, 20, 64], [false, true]) func ofManyEachHasItsTurn(count: Int, isOneKnown: Bool) {
        let all = addresses(count)
        let known = isOneKnown ? all[count - 1] : nil
        var turns = CallTurns()
        var called: [Endpoint: Int] = [:]
        for _ in 0..<count {
            let next = turns.next(of: all, known: known)
            #expect(next.count == CallTurns.atOnce && Set(next).count == next.count)
            #expect(known.map { next.first == $0 } ?? true)
            for each in next { called[each, default: 0] += 1 }
        }
        let counts = all.filter { $0 != known }.map { called[$0, default: 0] }
        // After as many turns as there are addresses nobody was left out, or called more than once more often than another.
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1 && (counts.min() ?? 0) > 0)
    }
}
