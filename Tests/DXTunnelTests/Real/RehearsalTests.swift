import DXSecure
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// A peer or a path is cut on a running gateway, which restores it.
    @Suite(.serialized) struct RehearsalTests {
        private func phase(_ gateway: Gateway, _ phase: RehearsalReport.Phase) async throws -> RehearsalReport {
            try await Polling.wait(for: "the phase \(phase)") {
                gateway.rehearsal.flatMap { $0.phase == phase ? $0 : nil }
            }
        }

        /// Until it was cut for so many datagrams more each way.
        private func lose(_ gateway: Gateway, _ count: UInt64) async throws {
            let before = try await phase(gateway, .cut)
            try await Polling.wait(until: "datagrams to be lost both ways") {
                guard let report = gateway.rehearsal else { return false }
                return report.droppedOut >= before.droppedOut + count && report.droppedIn >= before.droppedIn + count
            }
        }

        /// A connection from end to end.
        private func open(_ pair: GatewayPair, _ server: TCPServer) async throws -> (TCPSocket, TCPSocket) {
            let client = try await pair.connect()
            let target = try await server.accept()
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            try await target.send([2])
            #expect(try await client.receive() == .bytes([2]))
            return (client, target)
        }

        @Test(arguments: [nil, []] as [[String]?])
        func whatIsCutIsSilentBothWaysUntilItIsStopped(path: [String]?) async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let (client, target) = try await open(pair, server)
            let what = RehearsalTarget(peer: "cloud", path: path)
            // Nothing stands by.
            let plan = try await pair.edge.rehearsalPlan(what, seconds: 60)
            #expect(plan.wouldBreak.count == 1 && plan.tunnels.first?.openConnections == 1)
            #expect(plan.paths.isEmpty == (path == nil) && plan.otherPaths.isEmpty)
            await #expect(throws: GatewayError.self) { try await pair.edge.rehearse(what, seconds: 60) }
            #expect(pair.edge.rehearsal == nil)

            _ = try await pair.edge.rehearse(what, seconds: 60, isForced: true)
            await #expect(throws: GatewayError.rehearsing(plan.what)) {
                try await pair.edge.rehearse(what, seconds: 60, isForced: true)
            }
            _ = try await phase(pair.edge, .cut)
            try await client.send([3])
            try await target.send([4])
            try await lose(pair.edge, 2)
            var received: [UInt64] = []
            for gateway in [pair.edge, pair.cloud] {
                received.append(try await gateway.status().peers[0].bytesReceived)
            }
            try await lose(pair.edge, 2)
            for (gateway, count) in zip([pair.edge, pair.cloud], received) {
                #expect(try await gateway.status().peers[0].bytesReceived == count)
            }
            #expect(target.receiveNow() == nil && client.receiveNow() == nil)

            #expect(try await pair.edge.stopRehearsal())
            #expect(try await target.receive() == .bytes([3]))
            #expect(try await client.receive() == .bytes([4]))
            let report = try await phase(pair.edge, .over)
            #expect(report.ending == .stopped && report.holds == false)
            #expect(report.tunnels.first?.stillUntilRestored == 1 && report.tunnels.first?.broken == [:])
            #expect(report.heardMilliseconds == nil && report.firstByteMilliseconds == nil)
            #expect(report.pathBefore != nil && report.pathAfter != nil)
            #expect(try await pair.edge.stopRehearsal() == false)
            try await pair.stop()
        }

        /// Nobody asks how it goes, and nobody ends it.
        @Test func itIsRestoredWhenItsTimeIsOver() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let (client, target) = try await open(pair, server)
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 1, isForced: true)
            try await client.send([3])
            #expect(try await target.receive() == .bytes([3]))
            try await target.send([4])
            #expect(try await client.receive() == .bytes([4]))
            let report = try await phase(pair.edge, .over)
            #expect(report.ending == .time && report.cutMilliseconds >= 1_000)
            // It is one like any other.
            #expect(try await pair.edge.ping("cloud") > .zero)
            let cutting = try await pair.edge.onLoop { $0.blackout != nil || $0.secure.silencedPeer != nil }
            #expect(!cutting)
            try await pair.stop()
        }

        /// Open connections wait, new ones go to the other destination.
        @Test func newConnectionsGoElsewhere() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            let client = try await trio.connect()
            try await Polling.wait(until: "the first to have it") {
                try await trio.a.status().tunnels.first?.openConnections == 1
            }
            _ = try await trio.edge.ping("a")
            let plan = try await trio.edge.rehearse(RehearsalTarget(peer: "a"), seconds: 60)
            #expect(plan.tunnels.map(\.standsBy) == [["b"]] && plan.notes.count == 1)
            _ = try await phase(trio.edge, .cut)
            for _ in 0..<2 { #expect(try await trio.whoAnswers() == targets[1].port) }
            try await client.send(Array("who?".utf8))
            try await Polling.wait(until: "the open one to stand still") { trio.edge.rehearsal?.silentNow == 1 }
            #expect(try await trio.edge.stopRehearsal())
            var said: [UInt8] = []
            while case .bytes(let bytes) = try await client.receive() { said += bytes }
            #expect(String(decoding: said, as: UTF8.self) == "\(targets[0].port);")
            let report = try await phase(trio.edge, .over)
            let app = try #require(report.tunnels.first)
            #expect(report.holds == true, "\(report.verdict ?? "")")
            #expect(app.askedConnections == 2 && app.answeredBy == ["b": 2] && app.stillUntilRestored == 1)
            try await trio.stop()
        }

        /// Whoever calls meets silence as well, and is answered afterwards.
        @Test func aPeerThatCallsHearsNothing() async throws {
            let server = try TCPServer()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.cloudCalls = true
            plan.tuning.handshakeTimeout = .milliseconds(500)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 60)
            _ = try await phase(pair.edge, .cut)
            try await pair.cloudRunner.stop()
            try await pair.cloudRunner.start()
            try await Polling.wait(until: "a call to be in vain") {
                try await pair.cloud.status().peers[0].lastError != nil
            }
            #expect(try await pair.cloud.status().peers[0].state != .connected)
            #expect(try await pair.edge.stopRehearsal())
            try await Polling.wait(until: "the call to be answered") {
                try await pair.cloud.status().peers[0].state == .connected
            }
            try await pair.waitUntilActive()
            try await pair.stop()
        }

        @Test func whatIsNotThereIsRefused() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            await #expect(throws: GatewayError.unknownPeer("nobody")) {
                try await pair.edge.rehearse(RehearsalTarget(peer: "nobody"), seconds: 1)
            }
            let error = await #expect(throws: GatewayError.self) {
                try await pair.edge.rehearse(RehearsalTarget(peer: "cloud", path: ["203.0.113.9"]), seconds: 1)
            }
            guard case .unknownPath(let text) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(text.hasPrefix("no path to cloud has 203.0.113.9: there are 127.0.0.1 -> 127.0.0.1:"))
            #expect(pair.edge.rehearsal == nil)
            // Who is about to stop has no time for it, and ends what goes on.
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 60)
            _ = try await phase(pair.edge, .cut)
            _ = try await pair.edge.setDraining(true)
            #expect(try await phase(pair.edge, .over).ending == .draining)
            await #expect(throws: GatewayError.rehearsalRefused("the gateway is about to stop")) {
                try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 1)
            }
            try await pair.stop()
        }

        /// One at a time, whichever event loop has the peer; the other loops go on.
        @Test func oneAtATimeOverAllEventLoops() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            let star = try await GatewayStar(edges: 2, threads: 2, target: target)
            #expect(try await star.hub.onEachLoop { $0.peers.count } == [1, 1])
            _ = try await star.hub.rehearse(RehearsalTarget(peer: "edge1"), seconds: 60)
            _ = try await phase(star.hub, .cut)
            await #expect(throws: GatewayError.rehearsing("edge1")) {
                try await star.hub.rehearse(RehearsalTarget(peer: "edge0"), seconds: 60)
            }
            #expect(try await star.hub.ping("edge0") > .zero)
            await #expect(throws: GatewayError.noAnswer("edge1")) {
                try await star.hub.ping("edge1", timeout: .milliseconds(300))
            }
            #expect(try await star.hub.stopRehearsal())
            #expect(try await star.hub.ping("edge1", timeout: .seconds(120)) > .zero)
            try await star.stop()
        }
    }
}
