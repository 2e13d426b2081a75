import DXWire
import NIOCore
import Testing

@testable import DXTunnel

/// What stands before the bytes of a stream (`docs/wire-format.md` §7.2), and what the target is told of it.
@Suite struct StreamHeadTests {
    private static let four = StreamHead.Client.tcp(
        Endpoint(v4: 0xc000_0207, port: 50_000), entrance: Endpoint(v4: 0x7f00_0001, port: 8_000))
    private static let six = StreamHead.Client.tcp(
        Endpoint(v6High: 0x2001_0db8_0000_0000, low: 7, port: 1), entrance: Endpoint(v6High: 0, low: 1, port: 2))

    private static let vectors: [(StreamHead, String)] = [
        (StreamHead(), "00"),
        (StreamHead(port: 9), "03 01 01 09"),
        (StreamHead(port: 300, client: .unixSocket), "07 01 02 41 2c 02 01 00"),
        (
            StreamHead(client: four), "12 02 07 04 c0 00 02 07 c3 50 03 07 04 7f 00 00 01 1f 40"
        ),
        (
            StreamHead(client: six),
            "2a 02 13 06 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 07 00 01"
                + " 03 13 06 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 02"
        ),
    ]

    private static func bytes(_ text: String) -> [UInt8] {
        text.split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }

    private func read(_ bytes: [UInt8]) throws(DecodeError) -> (head: StreamHead?, rest: [UInt8]) {
        var reader = StreamHeadReader()
        reader.append(ByteBuffer(bytes: bytes))
        let head = try reader.next()
        return (head, Array(buffer: reader.bytes))
    }

    @Test(arguments: vectors.indices) func isWrittenAndReadAsTheVector(index: Int) throws {
        let (head, text) = Self.vectors[index]
        #expect(head.encoded == Self.bytes(text))
        let (found, rest) = try read(Self.bytes(text) + [1, 2, 3])
        #expect(found == head)
        #expect(rest == [1, 2, 3])
    }

    /// Cut anywhere it waits for the rest, and nothing behind it is lost.
    @Test(arguments: vectors.indices) func arrivesInPieces(index: Int) throws {
        let (head, text) = Self.vectors[index]
        let bytes = Self.bytes(text)
        var reader = StreamHeadReader()
        for byte in bytes.dropLast() {
            reader.append(ByteBuffer(bytes: [byte]))
            let found = try reader.next()
            #expect(found == nil)
        }
        reader.append(ByteBuffer(bytes: bytes.suffix(1) + [9, 8]))
        let found = try reader.next()
        #expect(found == head)
        #expect(Array(buffer: reader.bytes) == [9, 8])
    }

    @Test(arguments: [
        // A field that is longer than the head; a family that is none; an address that is too short, or too long.
        "02 01 05", "03 02 01 05", "05 02 03 04 7f 00", "04 02 02 00 00",
        // A client without the address to which it came; a port with something behind it.
        "09 02 07 04 c0 00 02 07 c3 50", "04 01 02 09 00", "01 ff",
        // Longer than a head may be.
        "41 00",
    ])
    func refusesWhatIsNone(text: String) {
        #expect(throws: DecodeError.self) { _ = try read(Self.bytes(text) + [UInt8](repeating: 0, count: 300)) }
    }

    @Test func skipsWhatANewerVersionSays() throws {
        let (head, rest) = try read(Self.bytes("08 40 63 02 aa bb 01 01 05 77"))
        #expect(head == StreamHead(port: 5))
        #expect(rest == [0x77])
    }

    @Test func noBytesTrap() throws {
        var random = RandomSource(seed: 5)
        for _ in 0..<5_000 {
            let bytes = (0..<random.below(64)).map { _ in
                UInt8(truncatingIfNeeded: random.chance(0.5) ? random.below(20) : random.next())
            }
            guard let head = try? read(bytes).head else { continue }
            let (again, _) = try read(head.encoded)
            #expect(again == head)
        }
    }

    // MARK: To the target

    @Test func tellsTheTargetWhoTheClientIs() {
        let signature = "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a "
        #expect(
            ProxyHeader.bytes(for: Self.four)
                == Self.bytes(signature + "21 11 00 0c c0 00 02 07 7f 00 00 01 c3 50 1f 40"))
        #expect(
            ProxyHeader.bytes(for: Self.six)
                == Self.bytes(
                    signature + "21 21 00 24 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 07"
                        + " 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 01 00 02"))
        #expect(ProxyHeader.bytes(for: .unixSocket) == Self.bytes(signature + "21 00 00 00"))
        #expect(ProxyHeader.bytes(for: .program) == Self.bytes(signature + "20 00 00 00"))
        // What an origin of ours never says.
        let mixed = StreamHead.Client.tcp(Endpoint(v4: 1, port: 1), entrance: Endpoint(v6High: 1, low: 1, port: 1))
        #expect(ProxyHeader.bytes(for: mixed) == Self.bytes(signature + "21 00 00 00"))
    }
}
