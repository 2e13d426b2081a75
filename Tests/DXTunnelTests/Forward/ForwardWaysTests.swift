import DXSecure
import DXWire
import NIOCore
import Testing

@testable import DXTunnel

/// Endpoints that stand for ways, and messages that name members.
@Suite struct ForwardWaysTests {
    private func id(_ number: UInt16) -> GatewayID {
        let bytes = [UInt8](repeating: 0, count: 30) + [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)]
        guard let id = GatewayID(bytes) else { preconditionFailure("an id has 32 bytes") }
        return id
    }

    private func way(_ forwarder: UInt16, _ peer: UInt16) -> ForwardWays.Way {
        ForwardWays.Way(forwarder: id(forwarder), peer: id(peer))
    }

    @Test func aWayHasOneEndpoint() throws {
        var ways = ForwardWays()
        let first = try #require(ways.endpoint(of: way(1, 2)) { [] })
        let other = try #require(ways.endpoint(of: way(2, 1)) { [] })
        #expect(first.isForwarded && !first.isSendable && first != other)
        #expect(ways.endpoint(of: way(1, 2)) { [] } == first)
        #expect(ways[first] == way(1, 2) && ways[other] == way(2, 1))
        // Whoever makes one up, or finds it in a packet, has no way.
        #expect(ways[Endpoint.forwarded(number: 99)] == nil)
        #expect(ways[Endpoint(v4: 0x7f00_0001, port: 1)] == nil)
        ways.forget(id(1))
        #expect(ways[first] == nil && ways[other] == nil)
        // A number is not given again: what is late for the old way does not come by the new one.
        #expect(ways.endpoint(of: way(1, 2)) { [] } != first)
    }

    @Test func thereAreNotTooMany() throws {
        var ways = ForwardWays()
        var (used, all): (Set<Endpoint>, Set<Endpoint>) = ([], [])
        for number in 0..<UInt16(ForwardWays.most) {
            let endpoint = try #require(ways.endpoint(of: way(0, number + 1)) { [] })
            if number < 10 { used.insert(endpoint) }
            all.insert(endpoint)
        }
        #expect(ways.endpoint(of: way(9_000, 1)) { all } == nil)
        #expect(ways.endpoint(of: way(9_000, 1)) { used } != nil)
        #expect(used.allSatisfy { ways[$0] != nil })
        #expect(ways.endpoint(of: way(0, 1)) { [] }.map { used.contains($0) } == true)
    }

    @Test func messages() throws {
        let member = PresenceTag(value: 0x0102_0304_0506_0708)
        let message = try #require(ForwardMessage.make(member, maximumByteCount: 3) { $0.write(UInt8(9)) })
        #expect(Array(message.readableBytesView) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(ForwardMessage.member(of: message) == member)
        let renamed = ForwardMessage.naming(PresenceTag(value: 2), in: message)
        #expect(Array(renamed.readableBytesView) == [0, 0, 0, 0, 0, 0, 0, 2, 9])
        #expect(ForwardMessage.datagram(of: renamed) == [9])
        #expect(ForwardMessage.make(member, maximumByteCount: 3) { _ in } == nil)
        for count in 0...ForwardMessage.headByteCount {
            #expect(ForwardMessage.member(of: ByteBuffer(repeating: 1, count: count)) == nil)
        }
    }
}
