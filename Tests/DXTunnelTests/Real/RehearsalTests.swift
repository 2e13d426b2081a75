import DXSecure
import DXStream
import DXWire
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// A peer or a path is cut on a running gateway, which restores it.
    @Suite(.serialized) struct RehearsalTests {
        /// Bears the silence of the longest cut.
        private var patient: GatewayTuning {
            var tuning = GatewayTuning()
            tuning.idleTimeout = .seconds(600)
            return tuning
        }

        /// A pair with one tunnel to that server, active.
        private func pair(with server: TCPServer) async throws -> GatewayPair {
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: target)])
            plan.tuning = patient
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            return pair
        }

        private func phase(_ gateway: Gateway, _ phase: RehearsalReport.Phase) async throws -> RehearsalReport {
            try await Polling.wait(for: "the phase \(phase)") {
                gateway.rehearsal.flatMap { $0.phase == phase ? $0 : nil }
            }
        }

        /// Sends a byte each way and waits until something more was lost each way: that takes no probes, which become rarer and rarer.
        private func lose(
            _ gateway: Gateway, from client: TCPSocket, _ first: UInt8, from target: TCPSocket, _ second: UInt8
        )
            async throws
        {
            let before = try await dropped(gateway)
            try await client.send([first])
            try await target.send([second])
            try await Polling.wait(until: "datagrams to be lost both ways") {
                let now = try await dropped(gateway)
                return now[0] > before[0] && now[1] > before[1]
            }
        }

        private func dropped(_ gateway: Gateway) async throws -> [UInt64] {
            try await gateway.onLoop { core in
                let blackout = try #require(core.blackout, "the cut is over")
                return [blackout.droppedOut, blackout.droppedIn]
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
            let pair = try await pair(with: server)
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
            try await lose(pair.edge, from: client, 3, from: target, 4)
            var received: [UInt64] = []
            for gateway in [pair.edge, pair.cloud] {
                received.append(try await gateway.status().peers[0].bytesReceived)
            }
            try await lose(pair.edge, from: client, 5, from: target, 6)
            for (gateway, count) in zip([pair.edge, pair.cloud], received) {
                #expect(try await gateway.status().peers[0].bytesReceived == count)
            }
            #expect(target.receiveNow() == nil && client.receiveNow() == nil)
            try await Polling.wait(until: "it to stand still") { pair.edge.rehearsal?.silentNow == 1 }

            #expect(try await pair.edge.stopRehearsal())
            #expect(try await target.receive(exactly: 2) == [3, 5])
            #expect(try await client.receive(exactly: 2) == [4, 6])
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
            let pair = try await pair(with: server)
            let (client, target) = try await open(pair, server)
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 1, isForced: true)
            try await client.send([3])
            #expect(try await target.receive() == .bytes([3]))
            try await target.send([4])
            #expect(try await client.receive() == .bytes([4]))
            let report = try await phase(pair.edge, .over)
            #expect(report.ending == .time && report.cutMilliseconds >= 1_000)
            // It is one like any other.
            #expect(try await pair.edge.ping("cloud", timeout: .seconds(120)) > .zero)
            let cutting = try await pair.edge.onLoop { $0.blackout != nil || $0.secure.silencedPeer != nil }
            #expect(!cutting)
            try await pair.stop()
        }

        /// Open connections wait, new ones go to the other destination.
        @Test func newConnectionsGoElsewhere() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port), tuning: patient, openPatience: .seconds(3))
            let client = try await trio.connect()
            try await Polling.wait(until: "the first to have it") {
                try await trio.a.status().tunnels.first?.openConnections == 1
            }
            _ = try await trio.edge.ping("a", timeout: .seconds(120))
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
            plan.tuning = patient
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
            let pair = try await pair(with: server)
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
            await #expect(throws: GatewayError.draining) {
                try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 1)
            }
            try await pair.stop()
        }

        /// No rehearsal ends a connection: what is to take over may not do so, and the peer is given up after its time.
        @Test func oneThatWouldEndConnectionsIsRefused() async throws {
            let server = try TCPServer()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel("short", target: target),
                GatewayPair.tunnel("long", target: target) { $0.hold = .seconds(300) },
            ])
            plan.limits.liveness = .seconds(20)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let what = RehearsalTarget(peer: "cloud")
            #expect(try await pair.edge.rehearsalPlan(what, seconds: 15).seconds == 15)
            let tooLong = GatewayError.rehearsalTooLong("cloud", silence: 20, longest: 15)
            await #expect(throws: tooLong) { try await pair.edge.rehearsalPlan(what, seconds: 16) }
            await #expect(throws: tooLong) { try await pair.edge.rehearse(what, seconds: 16, isForced: true) }
            #expect(pair.edge.rehearsal == nil)
            try await pair.stop()
        }

        /// Those of tunnels that bear more may be rehearsed for longer.
        @Test func whatIsHeldMayBeCutForLonger() async throws {
            let server = try TCPServer()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: target) { $0.hold = .seconds(300) }])
            plan.limits.liveness = .seconds(20)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            #expect(try await pair.edge.rehearsalPlan(RehearsalTarget(peer: "cloud"), seconds: 60).seconds == 60)
            try await pair.stop()
        }

        /// Nothing goes through the tunnels, and keepalives are rare: the path is asked all the same, or nobody would notice.
        @Test func anIdlePathIsAsked() async throws {
            let server = try TCPServer()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.tuning.idleTimeout = .seconds(36_000)
            plan.tuning.keepalive = .seconds(12_000)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            try await Polling.wait(until: "nothing to be on the way") {
                try await pair.edge.onLoop { core in
                    core.peers[0].channel?.transport.pathSnapshots.allSatisfy { $0.bytesInFlight == 0 } ?? false
                }
            }
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud", path: []), seconds: 60)
            _ = try await phase(pair.edge, .cut)
            try await Polling.wait(until: "a question to be lost, or the end") {
                pair.edge.rehearsal.map { $0.droppedOut > 0 || $0.phase == .over } ?? false
            }
            #expect(try await pair.edge.stopRehearsal(), "nothing was lost until the end")
            #expect(try await phase(pair.edge, .over).droppedOut > 0)
            try await pair.stop()
        }

        /// The peer's host is not asked whether a gateway runs there: to everything above the cut the network loses that, too.
        @Test func whatIsCutIsNotAskedWhetherItIsGone() async throws {
            let server = try TCPServer()
            let pair = try await pair(with: server)
            func isSearched() async throws -> Bool {
                try await pair.edge.onLoop { core in
                    let peer = core.peers[0]
                    peer.endGoneSearch()
                    if let channel = peer.channel { peer.searchWhetherGone(channel) }
                    return peer.goneSearch != nil
                }
            }
            #expect(try await isSearched())
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 60)
            _ = try await phase(pair.edge, .cut)
            #expect(try await !isSearched())
            #expect(try await pair.edge.stopRehearsal())
            #expect(try await isSearched())
            try await pair.stop()
        }

        /// A session that leaves what is cut is there again, and one that comes back to it is cut again.
        @Test func aSessionIsCutAsLongAsItLeadsThere() async throws {
            let server = try TCPServer()
            let pair = try await pair(with: server)
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud", path: []), seconds: 60)
            _ = try await phase(pair.edge, .cut)
            /// Where the session is found: by arriving datagrams, by the cut, among all, by the next of a run.
            struct Places: Hashable, Sendable {
                var isFound: Bool
                var cut: Int
                var all: Int
                var isLast: Bool
            }
            let (places, lost) = try await pair.edge.onLoop { core in
                let blackout = try #require(core.blackout)
                let session = try #require(blackout.sessions.first)
                func places() -> Places {
                    Places(
                        isFound: core.sessionsByID.values.contains { $0 === session }, cut: blackout.sessions.count,
                        all: core.sessions.count, isLast: core.lastSession === session)
                }
                var found = [places()]
                let remote = session.remote
                for next in [remote.withPort(remote.port ^ 1), remote] {
                    session.remote = next
                    core.registerIDs(of: session)
                    found.append(places())
                    core.lastSession = session
                    core.registerIDs(of: session)
                }
                found.append(places())
                // Whatever is sent on it is lost, and counted.
                let before = blackout.droppedOut
                core.send([UInt8](repeating: 0, count: 8), on: session)
                return (found, blackout.droppedOut - before)
            }
            let cut = Places(isFound: false, cut: 1, all: 1, isLast: false)
            let passes = Places(isFound: true, cut: 0, all: 1, isLast: false)
            #expect(places == [cut, passes, cut, cut] && lost == 1)
            #expect(try await pair.edge.stopRehearsal())
            #expect(try await pair.edge.ping("cloud", timeout: .seconds(120)) > .zero)
            try await pair.stop()
        }

        /// Without audit records a rehearsal has to know all the same how connections end that are asked for meanwhile.
        @Test func connectionsAreToldApartWithoutAuditRecords() async throws {
            let server = try TCPServer()
            let pair = try await pair(with: server)
            pair.edgeRunner.change { $0.audit = AuditSettings(byteCount: nil) }
            try await pair.edgeRunner.stop()
            try await pair.edgeRunner.start()
            try await pair.waitUntilActive()
            func hasTicket() async throws -> Bool {
                try await pair.edge.onLoop { AuditTicket($0, tunnel: "app", role: .origin, peer: "cloud") != nil }
            }
            #expect(try await !hasTicket())
            _ = try await pair.edge.rehearse(RehearsalTarget(peer: "cloud"), seconds: 60)
            _ = try await phase(pair.edge, .cut)
            #expect(try await hasTicket())
            #expect(try await pair.edge.stopRehearsal())
            _ = try await phase(pair.edge, .over)
            #expect(try await !hasTicket())
            try await pair.stop()
        }

        /// One at a time, whichever event loop has the peer; the other loops go on.
        @Test func oneAtATimeOverAllEventLoops() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            let star = try await GatewayStar(edges: 2, threads: 2, target: target, tuning: patient)
            #expect(try await star.hub.onEachLoop { $0.peers.count } == [1, 1])
            _ = try await star.hub.rehearse(RehearsalTarget(peer: "edge1"), seconds: 60)
            _ = try await phase(star.hub, .cut)
            await #expect(throws: GatewayError.rehearsing("edge1")) {
                try await star.hub.rehearse(RehearsalTarget(peer: "edge0"), seconds: 60)
            }
            #expect(try await star.hub.ping("edge0", timeout: .seconds(120)) > .zero)
            await #expect(throws: GatewayError.noAnswer("edge1")) {
                try await star.hub.ping("edge1", timeout: .milliseconds(300))
            }
            #expect(try await star.hub.stopRehearsal())
            #expect(try await star.hub.ping("edge1", timeout: .seconds(120)) > .zero)
            try await star.stop()
        }
    }
}
