import DXStream
import DXWire
import Glibc
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Datagrams through two gateways: whose is whose, what passes, what is dropped and counted.
    @Suite struct UDPTunnelTests {
        private func pair(
            to port: Int, isForwarded: Bool = false, _ change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
        ) async throws -> GatewayPair {
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(port))) {
                    $0.networkProtocol = .udp
                    change(&$0)
                }
            ])
            plan.isForwarded = isForwarded
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            return pair
        }

        private func drops(_ status: TunnelStatus, _ reason: DatagramDrop) -> UInt64 {
            status.datagramsDropped?[reason.rawValue] ?? 0
        }

        /// Each client has a socket of its own at the destination, and gets its own answers.
        @Test func everyClientIsAFlowOfItsOwn() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port)
            let port = try await pair.originPort()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<20 as Range<UInt64> {
                    group.addTask {
                        let client = try UDPSocket()
                        for round in 0..<5 as Range<UInt64> {
                            try await client.ask(Pattern.bytes(100 + Int(index), seed: index * 10 + round), at: port)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(target.sources.count == 20)
            for status in [try await pair.originStatus(), try await pair.destinationStatus()] {
                #expect(status.networkProtocol == .udp)
                #expect(status.openConnections == 20 && status.totalConnections == 20)
                #expect(status.bytesToTarget >= 20 * 5 * 100 && status.bytesToClient >= 20 * 5 * 100)
            }
            try await pair.stop()
            target.stop()
        }

        /// Empty datagrams, those of one message, those of parts, the largest there are: each as it was sent.
        @Test(arguments: [0, 1, 1_000, 1_200, 1_452, 4_096, 9_000, 20_000, 65_507])
        func everySizePasses(size: Int) async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port)
            let port = try await pair.originPort()
            let client = try UDPSocket()
            try await client.ask(Pattern.bytes(size, seed: UInt64(size)), at: port)
            #expect(try await pair.destinationStatus().openConnections == 1)
            try await pair.stop()
            target.stop()
        }

        /// Small and large ones at once over a path that loses, doubles and mixes up nothing: none is another's.
        @Test func datagramsOfManySizesAtOnce() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port, isForwarded: true)
            let port = try await pair.originPort()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<8 as Range<UInt64> {
                    group.addTask {
                        let client = try UDPSocket()
                        for round in 0..<10 as Range<UInt64> {
                            let size = [100, 3_000, 12_000, 40_000][Int((index + round) % 4)]
                            try await client.ask(Pattern.bytes(size, seed: index * 100 + round), at: port)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let drops = try await pair.edge.status().drops.merging(pair.cloud.status().drops, uniquingKeysWith: +)
            #expect(drops["flow_malformed"] == nil)
            try await pair.stop()
            target.stop()
        }

        @Test func idleFlowsEnd() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port) { $0.idleTimeout = .seconds(1) }
            let port = try await pair.originPort()
            let client = try UDPSocket()
            try await client.ask([1, 2, 3], at: port)
            try await Polling.wait(until: "both ends to forget the flow") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
            // The same client again is a flow of its own.
            try await client.ask([4, 5, 6], at: port)
            // More than two where an answer was late.
            let flows = try await pair.originStatus().totalConnections
            #expect(flows >= 2 && target.sources.count == flows)
            try await pair.stop()
            target.stop()
        }

        /// At the limit a flow in use keeps its place; one that is idle for a moment gives way.
        @Test func theTableIsLimited() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port) { $0.maximumConnections = 3 }
            let port = try await pair.originPort()
            let clients = try (0..<3).map { _ in try UDPSocket() }
            for (index, client) in clients.enumerated() { try await client.ask([UInt8(index)], at: port) }
            let fourth = try UDPSocket()
            let refused = try await pair.originStatus().refusedConnections
            try await Polling.wait(until: "a client to be refused while the others are in use") {
                for client in clients { client.send([9], to: port) }
                fourth.send([7], to: port)
                let status = try await pair.originStatus()
                return status.refusedConnections > refused && drops(status, .limit) > 0
            }
            #expect(try await pair.originStatus().openConnections == 3)
            #expect(try await pair.originStatus().lastError == "as many flows are in use as may be")
            // Nobody else sends any more.
            try await fourth.ask([8], at: port)
            let status = try await pair.originStatus()
            #expect(status.openConnections == 3 && status.totalConnections >= 4)
            #expect(try await pair.destinationStatus().openConnections <= 3)
            try await pair.stop()
            target.stop()
        }

        @Test func strangersAreRefused() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port) { $0.allowed = [AddressRange("192.0.2.0/24")!] }
            let port = try await pair.originPort()
            let client = try UDPSocket()
            try await Polling.wait(until: "the client to be refused") {
                client.send([1], to: port)
                return drops(try await pair.originStatus(), .notAllowed) > 0
            }
            let status = try await pair.originStatus()
            #expect(status.openConnections == 0 && status.lastError == "client 127.0.0.1 is not allowed")
            #expect(target.datagrams.isEmpty)
            try await pair.stop()
            target.stop()
        }

        /// What is over the rate is dropped, at the end that says so.
        @Test func theRateDropsWhatIsOverIt() async throws {
            let target = try UDPEcho { _ in nil }
            let pair = try await pair(to: target.port) { $0.maximumRate = 8_000 }
            let port = try await pair.originPort()
            let client = try UDPSocket()
            try await Polling.wait(until: "datagrams to be dropped") {
                client.send([UInt8](repeating: 1, count: 1_000), to: port)
                return drops(try await pair.originStatus(), .rate) >= 20
            }
            let status = try await pair.originStatus()
            // The burst, and a kilobyte for each second since.
            #expect(status.bytesToTarget >= 16_000 && status.rateBitsPerSecond == 8_000)
            #expect(drops(try await pair.destinationStatus(), .rate) == 0)
            try await pair.stop()
            target.stop()
        }

        /// Nobody is at the target's port: that is counted, and the flow goes on when somebody is.
        @Test func aTargetThatRefusesIsCounted() async throws {
            let port = try UDPSocket.unusedPort()
            let pair = try await pair(to: port)
            let origin = try await pair.originPort()
            let client = try UDPSocket()
            try await Polling.wait(until: "the refusals to be counted") {
                client.send([1], to: origin)
                return drops(try await pair.destinationStatus(), .refusedByTarget) >= 3
            }
            #expect(
                try await pair.destinationStatus().lastError == "target 127.0.0.1:\(port): nobody is at the port")
            let target = try UDPEcho(port: port)
            try await client.ask([2, 3], at: origin)
            #expect(try await pair.originStatus().totalConnections == 1)
            try await pair.stop()
            target.stop()
        }

        /// A target that has a name is looked up, and what came meanwhile is not lost.
        @Test func aTargetMayHaveAName() async throws {
            let target = try UDPEcho()
            let pair = try await GatewayPair(
                target: HostAddress(host: "localhost", port: UInt16(target.port))
            ) { $0.networkProtocol = .udp }
            let client = try UDPSocket()
            try await client.ask([1, 2], at: try await pair.originPort())
            try await pair.stop()
            target.stop()
        }

        /// While no destination is there, clients learn at once that nobody is at the port; afterwards they are served.
        @Test func withoutADestinationThePortIsClosed() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port)
            let port = try await pair.originPort()
            let client = try UDPSocket()
            try await client.ask([1], at: port)
            try await pair.cloudRunner.stop()
            let connected = try SocketDescriptor(isIPv6: false, type: SOCK_DGRAM)
            _ = unsafe SocketDescriptor.withLoopback(port: port, isIPv6: false) { address, length in
                unsafe connect(connected.number, address, length)
            }
            try await Polling.wait(until: "the port to be closed") {
                _ = unsafe send(connected.number, "x", 1, 0)
                var byte: UInt8 = 0
                return unsafe recv(connected.number, &byte, 1, 0) < 0 && errno == ECONNREFUSED
            }
            #expect(try await pair.originStatus().openConnections == 0)
            try await pair.cloudRunner.start()
            try await pair.waitUntilActive()
            #expect(try await pair.originPort() == port)
            try await client.ask([2], at: port)
            try await pair.stop()
            target.stop()
        }

        /// The two ends must mean the same: a tunnel of UDP is not made one of TCP, nor the other way round.
        @Test(arguments: [true, false]) func bothEndsMustMeanTheSame(originIsUDP: Bool) async throws {
            let address = HostAddress(host: "127.0.0.1", port: UInt16(try UDPSocket.unusedPort()))
            func tunnel(isUDP: Bool) -> GatewayConfiguration.Tunnel {
                GatewayPair.tunnel(target: address) { if isUDP { $0.networkProtocol = .udp } }
            }
            var plan = GatewayPair.Plan([tunnel(isUDP: originIsUDP)])
            plan.cloudTunnels = [tunnel(isUDP: !originIsUDP)]
            let pair = try await GatewayPair(plan)
            let name = originIsUDP ? "UDP tunnel" : "tunnel"
            try await Polling.wait(until: "the activation to be refused") {
                try await pair.originStatus().lastError
                    == "cloud: the destination has no \(name) of this name for this origin"
            }
            #expect(try await pair.originStatus().state == .waiting)
            try await pair.stop()
        }

        /// A peer of an older version, which would take it for one of TCP, is not even asked.
        @Test func peersThatKnowNoUDPAreNotAsked() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port)
            try await pair.edge.onLoop { core in
                let channel = try #require(core.peers[0].channel)
                let tunnel = core.origins[0]
                tunnel.onChannelDown(channel)
                channel.peerCapabilities = 0
                tunnel.onChannelUp(channel)
            }
            let status = try await pair.originStatus()
            #expect(status.state == .waiting)
            #expect(status.lastError == "cloud: its version of dxgateway knows no UDP tunnels")
            try await pair.stop()
            target.stop()
        }

        @Test func aProgramCannotDialIt() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port)
            await #expect(throws: GatewayError.isUDP("app")) { _ = try await pair.edge.dial("app") }
            try await pair.stop()
            target.stop()
        }

        // MARK: A peer that lies

        /// Messages that make no sense, to ports and of flows that there are not, parts that contradict each other: dropped and
        /// counted at either end, and honest flows go on.
        @Test func hostileMessagesAreDropped() async throws {
            let target = try UDPEcho()
            let pair = try await pair(to: target.port)
            let port = try await pair.originPort()
            let client = try UDPSocket()
            try await client.ask([1], at: port)
            let internalPort = try #require(
                try await pair.edge.onLoop { core in core.peers[0].channel?.flowOrigins.keys.first })
            for (round, (liar, victim)) in [(pair.edge, pair.cloud), (pair.cloud, pair.edge)].enumerated() {
                let direction: PeerChannel.FlowDirection = liar === pair.edge ? .toTarget : .toClient
                let before = try await victim.status()
                for message in Self.lies(internalPort, direction) {
                    try await liar.onLoop { core in
                        let channel = try #require(core.peers[0].channel)
                        try channel.transport.sendMessage(
                            flow: direction.rawValue, ByteBuffer(bytes: message), now: core.currentTime())
                        core.mark(channel)
                    }
                }
                try await Polling.wait(until: "all to be counted") {
                    let drops = try await victim.status().drops
                    let unknown = (drops["flow_unknown"] ?? 0) - (before.drops["flow_unknown"] ?? 0)
                    let malformed = (drops["flow_malformed"] ?? 0) - (before.drops["flow_malformed"] ?? 0)
                    return unknown + malformed >= 12 && malformed >= 5 && unknown >= 1
                }
                try await client.ask([UInt8(round), 7], at: port)
            }
            // Datagrams that are never whole go.
            try await pair.edge.onLoop { core in
                let channel = try #require(core.peers[0].channel)
                for id in 0..<100 as Range<UInt32> {
                    let part = FlowHeader.Part(id: id, datagramByteCount: 60_000, sliceByteCount: 512, index: 1)
                    let header = FlowHeader(internalPort: internalPort, flow: 1, part: part)
                    let bytes = [UInt8](capacity: FlowHeader.maximumByteCount + 512) {
                        header.write(to: &$0)
                        $0.writeZeros(512)
                    }
                    try channel.transport.sendMessage(
                        flow: PeerChannel.FlowDirection.toTarget.rawValue, ByteBuffer(bytes: bytes),
                        now: core.currentTime())
                }
                core.mark(channel)
            }
            try await Polling.wait(until: "all of them to be given up") {
                let drops = try await pair.cloud.status().drops
                let held = try await pair.cloud.onLoop { $0.peers[0].channel?.flows.assembler.heldByteCount }
                return drops["flow_incomplete"] ?? 0 >= 90 && held == 0
            }
            try await client.ask([9, 9], at: port)
            try await pair.stop()
            target.stop()
        }

        /// Twelve and more messages of which nothing may come.
        private static func lies(_ port: UInt32, _ direction: PeerChannel.FlowDirection) -> [[UInt8]] {
            func message(_ port: UInt32, _ flow: UInt64, _ rest: [UInt8]) -> [UInt8] {
                [UInt8](capacity: 13 + rest.count) { output in
                    output.write(port)
                    output.writeVarInt(flow)
                    unsafe output.write(rest.span.bytes)
                }
            }
            func part(_ size: Int, _ slice: Int, _ index: Int, dataByteCount: Int) -> [UInt8] {
                var bytes: [UInt8] = [1, 0, 0, 0, 1]
                bytes += [UInt8(size >> 8), UInt8(size & 255), UInt8(slice >> 8), UInt8(slice & 255), UInt8(index)]
                return bytes + [UInt8](repeating: 0, count: dataByteCount)
            }
            var lies: [[UInt8]] = [
                [], [1], [1, 2, 3, 4], message(port, 1, []), message(port, 1, [2, 3]), message(port, 1, [255]),
                message(port, 1, part(1_000, 0, 0, dataByteCount: 10)),
                message(port, 1, part(1_000, 512, 5, dataByteCount: 10)),
                message(port, 1, part(65_535, 512, 0, dataByteCount: 512)),
                message(port, 1, part(1_000, 512, 0, dataByteCount: 511)),
                message(port ^ 1, 1, [0, 1]), message(0, 1, [0, 1]),
                message(port ^ 1, 1, part(1_000, 512, 0, dataByteCount: 512)),
            ]
            // An origin may begin any flow; a destination answers only to those that there are.
            if direction == .toClient { lies += [message(port, 1 << 61, [0, 1]), message(port, 99, [0])] }
            return lies
        }
    }
}
