import DXWire
import NIOCore
import Testing

@testable import DXTunnel

@Suite struct TunnelMessageReaderTests {
    private let vectors = TunnelMessageVector.canonical + TunnelMessageVector.alternative

    @Test func readsSeveralInOneBuffer() {
        #expect(TunnelMessageProperty.read([vectors.flatMap(\.bytes)]) == .init(messages: vectors.map(\.message)))
    }

    @Test func readsThemCutAtEveryByte() {
        let bytes = vectors.flatMap(\.bytes)
        for cut in 0...bytes.count {
            let outcome = TunnelMessageProperty.read([Array(bytes[..<cut]), Array(bytes[cut...])])
            #expect(outcome == .init(messages: vectors.map(\.message)), "cut at \(cut)")
        }
        #expect(TunnelMessageProperty.read(bytes.map { [$0] }) == .init(messages: vectors.map(\.message)))
    }

    @Test func takesTheLongestMessage() {
        // 16,384 bytes, which is 0x80004000 as a varint of four bytes: an unknown type and padding.
        let longest: [UInt8] = [0x80, 0x00, 0x40, 0x00, 0x3f] + [UInt8](repeating: 0, count: 16_383)
        #expect(TunnelMessageProperty.read([longest, [0x01, 0x07]]) == .init(messages: [.unknown, .unknown]))
    }

    /// The length alone tells: nothing of the message is waited for.
    @Test func refusesALongerMessageAtOnce() {
        #expect(TunnelMessageProperty.read([[0x80, 0x00, 0x40, 0x01]]) == .init(error: .invalidValue))
        let largest = [UInt8](repeating: 0xff, count: 8)
        #expect(TunnelMessageProperty.read([largest]) == .init(error: .invalidValue))
        #expect(TunnelMessageProperty.read(largest.map { [$0] }) == .init(error: .invalidValue))
    }

    @Test func refusesAMessageWithoutAType() {
        #expect(TunnelMessageProperty.read([[0x00]]) == .init(error: .truncated))
    }

    @Test func givesTheMessagesBeforeAMalformedOne() {
        let outcome = TunnelMessageProperty.read([[0x01, 0x07, 0x01, 0x05]])
        #expect(outcome == .init(messages: [.unknown], error: .truncated))
    }

    /// What was read is let go: a channel lives for months.
    @Test func keepsNothingOfWhatWasRead() throws {
        var reader = TunnelMessageReader()
        let bytes = TunnelMessage.echo(token: 1).encoded
        for _ in 0..<10_000 {
            reader.append(ByteBuffer(bytes: bytes))
            _ = try reader.next()
        }
        #expect(reader.buffer.readableBytes == 0)
        #expect(reader.buffer.capacity <= 1_024)
    }
}
