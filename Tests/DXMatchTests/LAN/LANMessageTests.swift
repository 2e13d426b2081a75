import DXMatch
import DXWire
import Testing

/// What gateways say in a network, byte by byte (`docs/matchmaking.md` §10).
@Suite struct LANMessageTests {
    private func member(_ first: UInt8) throws -> GatewayID {
        let bytes = [UInt8](first..<first + 32)
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try GatewayID(reading: &reader)
    }

    private func read(_ bytes: [UInt8]) throws -> LANMessage { try LANMessage(reading: unsafe bytes.span.bytes) }

    private static let id = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"

    @Test func anAnnouncementIsWrittenAsSpecified() throws {
        let message = LANMessage(
            sender: try member(0x20), boot: 0x1122_3344_5566_7788, counter: 5, port: 7_700,
            body: .announcement(wanted: [LANMessage.tag(try member(0x40))]))
        let text = "0101" + Self.id + "1122334455667788" + "0000000000000005" + "1e14" + "01" + "4041424344454647"
        #expect(message.bytes == Hex.bytes(text) + [UInt8](repeating: 0, count: 120 - 61))
        #expect(try read(message.bytes) == message)
    }

    @Test func anAnswerIsWrittenAsSpecified() throws {
        let message = LANMessage(
            sender: try member(0x20), boot: 1, counter: 2, port: 9, body: .answer(boot: 3, counter: 4))
        let text =
            "0201" + Self.id + "0000000000000001" + "0000000000000002" + "0009" + "0000000000000003"
            + "0000000000000004"
        #expect(message.bytes == Hex.bytes(text) + [UInt8](repeating: 0, count: 120 - 68))
        #expect(try read(message.bytes) == message)
    }

    @Test func whoWantsMoreThanFitWantsAnybody() throws {
        let message = LANMessage(
            sender: try member(0), boot: 1, counter: 2, port: 9, body: .announcement(wanted: nil))
        #expect(message.bytes[52] == 0xff)
        #expect(try read(message.bytes) == message)
    }

    @Test func nothingElseIsRead() throws {
        let bytes = LANMessage(
            sender: try member(0), boot: 1, counter: 2, port: 9, body: .announcement(wanted: [])
        ).bytes
        for count in bytes.indices { #expect(throws: MatchDecodeError.self) { try read(Array(bytes[..<count])) } }
        #expect(throws: MatchDecodeError.self) { try read(bytes + [0]) }
        for (index, values) in [(0, [0, 3, 0xff]), (1, [0, 2, 0xff]), (52, [9, 0x80, 0xfe])] as [(Int, [UInt8])] {
            for value in values {
                var changed = bytes
                changed[index] = value
                #expect(throws: MatchDecodeError.self, "byte \(index) \(value)") { try read(changed) }
            }
        }
    }
}
