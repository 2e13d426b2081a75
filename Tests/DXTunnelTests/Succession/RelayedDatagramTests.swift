import DXWire
import NIOCore
import Testing

@testable import DXTunnel

/// Datagrams in the stream between two starts of a gateway (`docs/restart.md` §4).
@Suite struct RelayedDatagramTests {
    private static let addresses: [Endpoint?] = [
        nil, Endpoint(v4: 0x7f00_0001, port: 7_700),
        Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, scope: 3, port: 65_535),
    ]

    private func write(_ bytes: [UInt8], _ source: Endpoint, _ local: Endpoint?, _ ecn: ECNMark) -> ByteBuffer {
        var buffer = ByteBuffer()
        unsafe RelayedDatagram.write(bytes.span.bytes, from: source, local: local, ecn: ecn, to: &buffer)
        return buffer
    }

    /// What was written is read, however the stream is cut.
    @Test(arguments: [0, 1, 1_200, Constants.maximumDatagram]) func isReadAsItWasWritten(_ count: Int) throws {
        let bytes = Pattern.bytes(count, seed: 1)
        for source in Self.addresses.compactMap({ $0 }) {
            for local in Self.addresses {
                for ecn in [ECNMark.notECT, .ect0, .ce] {
                    var whole = write(bytes, source, local, ecn)
                    let cut = whole.readableBytes / 2
                    let start = whole.readSlice(length: cut)
                    var first = try #require(start)
                    let early = try RelayedDatagram.read(&first)
                    #expect(early == nil && first.readableBytes == cut)
                    first.writeBuffer(&whole)
                    let next = try RelayedDatagram.read(&first)
                    guard case .datagram(let read) = next else {
                        Issue.record("no datagram")
                        continue
                    }
                    #expect(read.bytes == bytes && read.source == source && read.local == local && read.ecn == ecn)
                    #expect(first.readableBytes == 0)
                }
            }
        }
    }

    /// Whatever the bytes are: a datagram, nothing yet, or an error; and each step takes something.
    @Test func anyBytesAreAnswered() throws {
        var random = RandomSource(seed: 7)
        let valid = Array(
            buffer: write([1, 2, 3], Endpoint(v4: 1, port: 2), nil, .ce))
        for _ in 0..<20_000 {
            var bytes = valid + valid
            for _ in 0..<(1 + random.below(4)) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            var buffer = ByteBuffer(bytes: bytes.prefix(Int(random.below(UInt64(bytes.count + 1)))))
            do throws(RelayedDatagram.Malformed) {
                var before = buffer.readableBytes
                while let read = try RelayedDatagram.read(&buffer) {
                    #expect(buffer.readableBytes < before)
                    if case .datagram(let datagram) = read { #expect(datagram.bytes.count < valid.count * 2) }
                    before = buffer.readableBytes
                }
            } catch {}
        }
    }

    /// Who may use the gateway is read as it was written, between datagrams.
    @Test(arguments: [0, 1, 700]) func standingIsReadAsItWasWritten(_ count: Int) throws {
        var random = RandomSource(seed: 3)
        let peers = (0..<count).compactMap { _ in
            GatewayID((0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
        let standing = Standing(peers: Set(peers), tunnels: Set((0..<count).map { "tunnel-\($0)" }))
        var buffer = write([1], Endpoint(v4: 1, port: 2), nil, .ce)
        RelayedDatagram.write(standing, to: &buffer)
        guard case .datagram = try RelayedDatagram.read(&buffer),
            case .standing(let read) = try RelayedDatagram.read(&buffer)
        else {
            Issue.record("not what was written")
            return
        }
        #expect(read == standing && buffer.readableBytes == 0)
        // Cut short, it is none.
        for bytes in [standing.bytes.dropLast(), standing.bytes + [0]] { #expect(Standing(bytes[...]) == nil) }
    }

    /// A length that no gateway writes ends the stream at once, and is not waited for.
    @Test(arguments: [0, 46, UInt32(RelayedDatagram.mostBytes + 1), .max]) func refusesALength(_ length: UInt32) {
        var buffer = ByteBuffer(integer: length)
        buffer.writeInteger(UInt8(0))
        #expect(throws: RelayedDatagram.Malformed.self) { _ = try RelayedDatagram.read(&buffer) }
    }
}
