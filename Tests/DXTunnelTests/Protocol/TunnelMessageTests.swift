import DXWire
import Testing

@testable import DXTunnel

@Suite struct TunnelMessageTests {
    @Test(arguments: TunnelMessageVector.canonical + TunnelMessageVector.withTerms)
    func isWrittenAndReadAsTheVector(vector: TunnelMessageVector) {
        #expect(vector.message.encoded == vector.bytes)
        #expect(TunnelMessageProperty.read([vector.bytes]).messages == [vector.message])
    }

    @Test(arguments: TunnelMessageVector.alternative)
    func readsOtherForms(vector: TunnelMessageVector) {
        #expect(TunnelMessageProperty.read([vector.bytes]) == .init(messages: [vector.message]))
    }

    /// A message whose length is right but whose fields end too early is malformed; one that has not arrived whole waits.
    @Test(arguments: TunnelMessageVector.canonical)
    func isRefusedWhenCutAnywhere(vector: TunnelMessageVector) {
        let body = vector.bytes.dropFirst()
        for count in 0..<body.count {
            let short = [UInt8(count)] + body.prefix(count)
            #expect(TunnelMessageProperty.read([short]) == .init(error: .truncated), "\(count) bytes of \(vector)")
            #expect(TunnelMessageProperty.read([Array(vector.bytes.prefix(count + 1))]) == .init())
        }
    }

    /// Terms that end too early are those of a version that says nothing: the message stays what it is.
    @Test(arguments: TunnelMessageVector.withTerms)
    func losesTermsThatAreCut(vector: TunnelMessageVector) {
        let known = vector.bytes.count - 1 - (vector.bytes[1] == 1 ? 7 : 3)
        for count in known..<vector.bytes.count - 1 {
            let outcome = TunnelMessageProperty.read([[UInt8(count)] + vector.bytes.dropFirst().prefix(count)])
            #expect(outcome.error == nil && outcome.messages.count == 1, "\(count) bytes of \(vector)")
        }
    }

    @Test(
        arguments: TunnelMessageVector.canonical + TunnelMessageVector.withTerms + TunnelMessageVector.alternative)
    func holdsWhatItPromisesForEveryChangedBit(vector: TunnelMessageVector) throws {
        for index in vector.bytes.indices {
            for bit in 0..<8 {
                var bytes = vector.bytes
                bytes[index] ^= 1 << UInt8(bit)
                try TunnelMessageProperty.check(bytes)
            }
        }
    }

    @Test func holdsWhatItPromisesForAnyBytes() throws {
        var random = RandomSource(seed: 2)
        for _ in 0..<5_000 {
            let bytes = (0..<random.below(64)).map { _ in
                // Small numbers are lengths and types more often.
                random.chance(0.5) ? UInt8(random.below(16)) : UInt8(random.below(256))
            }
            try TunnelMessageProperty.check(bytes)
        }
    }

    @Test func cutsTextAtACharacter() {
        let text = String(repeating: "a", count: 254) + "\u{e9}"
        let message = TunnelMessage.activate(request: 1, tunnel: text)
        let read = TunnelMessageProperty.read([message.encoded]).messages
        #expect(read == [.activate(request: 1, tunnel: String(repeating: "a", count: 254))])
    }

    @Test func refusesTextBeyondItsLimit() {
        let body: [UInt8] = [1, 1, 0x41, 0x00] + [UInt8](repeating: 0x61, count: 256)
        let bytes: [UInt8] = [0x41, 0x04] + body
        #expect(TunnelMessageProperty.read([bytes]) == .init(error: .invalidValue))
    }

    @Test func readsTextThatIsNotUTF8() {
        let outcome = TunnelMessageProperty.read([[0x05, 0x01, 0x00, 0x02, 0xff, 0x61]])
        #expect(outcome == .init(messages: [.activate(request: 0, tunnel: "\u{fffd}a")]))
    }
}
