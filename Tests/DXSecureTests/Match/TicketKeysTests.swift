import DXWire
import Testing

@testable import DXSecure

@Suite struct TicketKeysTests {
    private let group = (0..<16).map { UInt8($0) }
    private let requestKeys: MatchKeys

    init() {
        let bytes = (0..<64).map { UInt8($0) }
        requestKeys = MatchKeys(unsafe SecretBytes(bytes.span.bytes))
    }

    private func isGood(_ keys: TicketKeys, _ ticket: [UInt8], at time: Instant) throws -> Bool {
        guard let facts = unsafe keys.open(ticket.span.bytes, now: time) else { return false }
        let (body, data): ([UInt8], [UInt8]) = ([1, 2, 3], [4])
        let sealed = unsafe try requestKeys.seal(body.span.bytes, data: data.span.bytes, .toMatchmaker)
        let opened = unsafe facts.keys.open(sealed.span.bytes, data: data.span.bytes, .toMatchmaker)
        return facts.group == group && opened == body
    }

    @Test func aTicketLivesADayWhateverKeysCome() throws {
        var keys = try TicketKeys(now: .zero)
        // Just before the key changes: it must open under the next keys.
        for age in [0, 1, 50_000, 86_399] {
            let start = keys.nextTimeout - TicketKeys.lifetime
            let made = start + .seconds(Int64(age))
            let ticket = try keys.seal(requestKeys, group: group, now: made)
            #expect(ticket.count == TicketKeys.byteCount)
            var time = made
            for _ in 0..<24 {
                #expect(try isGood(keys, ticket, at: time))
                time += .seconds(3_599)
                try keys.timeoutFired(now: time)
            }
            #expect(try !isGood(keys, ticket, at: made + TicketKeys.lifetime))
        }
    }

    @Test func nothingButItsOwn() throws {
        let keys = try TicketKeys(now: .zero)
        let ticket = try keys.seal(requestKeys, group: group, now: .zero)
        #expect(try isGood(keys, ticket, at: .zero))
        #expect(try !isGood(TicketKeys(now: .zero), ticket, at: .zero))
        for bit in 0..<(ticket.count * 8) {
            var flipped = ticket
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(unsafe keys.open(flipped.span.bytes, now: .zero) == nil)
        }
        for count in 0..<ticket.count {
            let part = Array(ticket.prefix(count))
            #expect(unsafe keys.open(part.span.bytes, now: .zero) == nil)
        }
        #expect(try keys.seal(requestKeys, group: group, now: .zero) != ticket)
    }

    /// RFC 5297 appendix A.1.
    @Test func sivVector() throws {
        let key = hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
        let both = key + key
        let keys = MatchKeys(unsafe SecretBytes(both.span.bytes))
        let data = hex("101112131415161718191a1b1c1d1e1f2021222324252627")
        let plain = hex("112233445566778899aabbccddee")
        let sealed = unsafe try keys.seal(plain.span.bytes, data: data.span.bytes, .toMatchmaker)
        #expect(sealed == hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"))
        #expect(unsafe keys.open(sealed.span.bytes, data: data.span.bytes, .fromMatchmaker) == plain)
        for index in sealed.indices {
            var damaged = sealed
            damaged[index] ^= 0x40
            #expect(unsafe keys.open(damaged.span.bytes, data: data.span.bytes, .toMatchmaker) == nil)
        }
    }
}
