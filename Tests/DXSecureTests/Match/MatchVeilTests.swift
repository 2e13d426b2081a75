import DXWire
import Testing

@testable import DXSecure

@Suite struct MatchVeilTests {
    private let pin = try! Identity.generate().gatewayID

    @Test func opensAtTheOtherEndOnly() throws {
        let gateway = try MatchVeil(pin: pin, isMatchmaker: false)
        let matchmaker = try MatchVeil(pin: pin, isMatchmaker: true)
        let stranger = try MatchVeil(pin: Identity.generate().gatewayID, isMatchmaker: true)
        for size in [1, 2, 100, 1_172] {
            let message = [UInt8](repeating: 7, count: size)
            for (from, to) in [(gateway, matchmaker), (matchmaker, gateway)] {
                let datagram = unsafe try from.seal(message.span.bytes)
                #expect(datagram.count == size + MatchVeil.overhead)
                #expect(unsafe to.open(datagram.span.bytes) == message)
                #expect(unsafe from.open(datagram.span.bytes) == nil)
                #expect(unsafe stranger.open(datagram.span.bytes) == nil)
                #expect(unsafe try from.seal(message.span.bytes) != datagram)
            }
        }
        for size in [0, 1_173] {
            let message = [UInt8](repeating: 7, count: size)
            #expect(throws: SecureError.packetSize) { unsafe try gateway.seal(message.span.bytes) }
        }
    }

    @Test func noiseAndSizes() throws {
        let matchmaker = try MatchVeil(pin: pin, isMatchmaker: true)
        var random = RandomSource(seed: 8)
        for size in Array(0...60) + [1_199, 1_200, 1_201, 9_000] {
            let noise = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(unsafe matchmaker.open(noise.span.bytes) == nil)
        }
    }
}
