import DXWire
import Testing

@testable import DXSecure

@Suite struct SessionIDsTests {
    private static func pair(_ secret: [UInt8] = Array(0..<32)) -> (SessionIDs, SessionIDs) {
        let a = ConnectionID(rawValue: 0x0311_1111_1111_1111)
        let b = ConnectionID(rawValue: 0x0422_2222_2222_2222)
        let bytes = unsafe SecretBytes(secret.span.bytes)
        return (
            SessionIDs(secret: bytes, isInitiator: true, sent: b, received: a),
            SessionIDs(secret: bytes, isInitiator: false, sent: a, received: b)
        )
    }

    /// HMAC-SHA256 over one byte and four, computed with Python's hmac module.
    @Test func vector() {
        var (a, b) = Self.pair()
        #expect(a.next == ConnectionID(rawValue: 0x035d_ecd8_f274_4254))
        #expect(b.next == ConnectionID(rawValue: 0x047c_2d70_03d8_a0e1))
        a.advance()
        #expect(a.sent == b.next)
        b.advance()
        #expect(b.sent == a.next)
    }

    @Test func theOtherEndFollows() {
        var (a, b) = Self.pair()
        let first = (a.sent, b.sent)
        a.advance()
        #expect(a.sent != first.0 && a.sent.shard == 4)
        #expect(b.accepts(a.sent) && b.accepts(first.0))
        let follows = b.heard(a.sent)
        #expect(follows && b.sent != first.1 && b.sent.shard == 3 && a.accepts(b.sent))
        // What was overtaken is still good; nothing changes by it.
        let late = b.heard(first.0)
        #expect(!late && b.accepts(first.0) && b.accepts(a.sent))
        let answers = a.heard(b.sent)
        #expect(answers && a.sentStep == 1 && a.receivedStep == 1 && b.sentStep == 1 && b.receivedStep == 1)
        // Both are quiet now: an answer is not answered.
        let again = (a.heard(b.sent), b.heard(a.sent))
        #expect(again == (false, false) && a.sentStep == 1 && b.sentStep == 1)
    }

    /// The peer may not have heard of the present id: those after it would be strange to it.
    @Test func waitsForTheOtherEnd() {
        var (a, b) = Self.pair()
        a.advance()
        let sent = a.sent
        a.advance()
        #expect(a.sent == sent && b.accepts(a.sent))
        _ = b.heard(a.sent)
        _ = a.heard(b.sent)
        a.advance()
        #expect(a.sent != sent && b.accepts(a.sent))
    }

    @Test func bothAtOnce() {
        var (a, b) = Self.pair()
        a.advance()
        b.advance()
        let heard = (b.heard(a.sent), a.heard(b.sent))
        #expect(heard == (true, true) && a.sentStep == 1 && b.sentStep == 1)
    }

    /// Whatever is lost, each accepts what the other sends; more than 1,000 changes in random order.
    @Test func alwaysAccepted() {
        var random = RandomSource(seed: 7)
        var (a, b) = Self.pair()
        var seen: Set<ConnectionID> = [a.sent, b.sent]
        for _ in 0..<20_000 {
            switch random.below(6) {
            case 0: a.advance()
            case 1: b.advance()
            case 2, 3:
                #expect(b.accepts(a.sent))
                _ = b.heard(a.sent)
            default:
                #expect(a.accepts(b.sent))
                _ = a.heard(b.sent)
            }
            seen.formUnion([a.sent, b.sent])
        }
        #expect(a.sentStep > 1_000)
        #expect(seen.count == Int(a.sentStep) + Int(b.sentStep) + 2)
    }

    @Test func anotherSessionHasOthers() {
        let (a, b) = Self.pair()
        let (c, d) = Self.pair(Array(1..<33))
        #expect(Set([a.next, b.next, c.next, d.next]).count == 4)
        #expect(!b.accepts(c.next) && !a.accepts(ConnectionID(rawValue: 0)))
    }
}
