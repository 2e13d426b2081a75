import DXWire
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Addresses that change, and gateways that call each other.
    @Suite struct RoamingTests {
        private func plan(_ server: TCPServer) -> GatewayPair.Plan {
            GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
        }

        private func waitUntilNewPortIsUsed(_ pair: GatewayPair) async throws {
            try await Polling.wait(until: "the new port to be in use") {
                let remote = try await pair.cloud.status().peers[0].remoteAddress
                return try remote.map { Int(try HostAddress($0).port) } == pair.forwarder?.outsidePort
            }
        }

        /// A NAT between the two gives the origin's gateway another port, five times in the middle of a transfer.
        @Test(arguments: [true, false])
        func aTransferGoesOnFromANewPort(isUpload: Bool) async throws {
            let server = try TCPServer()
            var plan = plan(server)
            plan.isForwarded = true
            // Who only receives, and has acknowledged everything, is found at its new port by its keepalive.
            plan.tuning.keepalive = .milliseconds(200)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            let target = try await server.accept()
            let (sender, receiver) = isUpload ? (client, target) : (target, client)
            let bytes = Pattern.bytes(12_000_000, seed: 1)
            async let sent: Void = sender.send(bytes)
            var got: [UInt8] = []
            for part in 1...6 {
                got += try await receiver.receive(exactly: part * 2_000_000 - got.count)
                guard part < 6 else { break }
                try pair.forwarder?.rebind()
                // A port that nobody has sent from is none that was changed to.
                try await waitUntilNewPortIsUsed(pair)
            }
            try await sent
            #expect(got == bytes)
            // The destination's gateway uses the last one.
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            try await waitUntilNewPortIsUsed(pair)
            try await pair.waitUntilOneSession()
            // New addresses had connection ids of their own, both ways.
            try await Polling.wait(until: "the ids to have changed") {
                try await pair.sessions().allSatisfy { $0.idChanges > 2 && $0.ids == 4 }
            }
            try await pair.stop()
        }

        /// The only address goes: its path is retired by the plan and then moved, in this order also in time.
        @Test func whatRetiresAPathIsNotLaterThanWhatMovesIt() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(plan(server))
            try await pair.waitUntilActive()
            try await pair.waitUntilOneSession()
            let hasMoved = try await pair.edge.onLoop { core in
                let link = core.peers[0]
                guard let session = link.channel?.sessionInUse else { return false }
                let local = session.local ?? core.boundAddresses[0]
                session.local = local
                let interface = NetworkSnapshot.Interface(name: "eth0", index: 1, addresses: [local])
                let now = core.currentTime()
                link.tellPaths(NetworkSnapshot(interfaces: [interface]), now: now)
                link.paths.attached(session.pathID, local: local, remote: session.remote, now: now)
                link.networkChanged(
                    NetworkChange(gone: [local], new: [], routesChanged: false), NetworkSnapshot(interfaces: []),
                    now: now)
                return session.local == nil
            }
            #expect(hasMoved)
            // It goes on from whatever address there is.
            let client = try await pair.connect()
            try await client.send([7])
            #expect(try await client.receive(exactly: 1) == [7])
            try await pair.stop()
        }

        /// A session that was begun from an address of ours, whichever port, was no further socket's: none is opened again.
        @Test func anAddressWithoutAPortIsNoFurtherSocket() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(plan(server))
            try await pair.waitUntilOneSession()
            let opened = try await pair.edge.onLoop { core in
                core.outlet(at: Endpoint(v4: 0x7f00_0001, port: 0)) != nil || !core.outlets.isEmpty
            }
            #expect(!opened)
            try await pair.stop()
        }

        /// Each has the other's address and calls it: one session is left, the same for both.
        @Test func gatewaysThatCallEachOtherMeetOnce() async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = plan(server)
            plan.cloudCalls = true
            for round in 0..<4 as Range<UInt64> {
                let pair = try await GatewayPair(plan)
                try await pair.waitUntilActive()
                let bytes = Pattern.bytes(300_000, seed: round)
                let client = try await pair.connect()
                async let sent: Void = client.send(bytes)
                #expect(try await client.receive(exactly: bytes.count) == bytes)
                try await sent
                try await pair.waitUntilOneSession()
                // Whichever comes back finds the other.
                let runner = round % 2 == 0 ? pair.edgeRunner : pair.cloudRunner
                try await runner.stop()
                try await runner.start()
                try await Polling.wait(until: "both to be connected") {
                    let (edge, cloud) = try await (pair.edge.status(), pair.cloud.status())
                    return edge.peers[0].state == .connected && cloud.peers[0].state == .connected
                }
                try await pair.waitUntilActive()
                try await pair.waitUntilOneSession()
                try await pair.stop()
            }
        }
    }
}
