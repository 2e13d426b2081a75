import DXWire
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Tunnels of several destinations, as applications see them: what fails is replaced, what is open goes on.
    @Suite(.serialized) struct AvailabilityTests {
        private func check(_ kind: GatewayConfiguration.HealthCheck.Kind = .tcp) -> GatewayConfiguration.HealthCheck {
            GatewayConfiguration.HealthCheck(kind, interval: .milliseconds(200))
        }

        private var quickFailback: GatewayTuning {
            var tuning = GatewayTuning()
            tuning.failback = .after(.milliseconds(100))
            return tuning
        }

        /// The target of the first dies: not one connection fails, it is known to be down, and used again when it is back.
        @Test func aTargetThatStopsIsReplaced() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port), tuning: quickFailback) {
                $0.healthCheck = self.check()
            }
            #expect(try await trio.whoAnswers() == targets[0].port)
            targets[0].stop()
            for _ in 0..<5 { #expect(try await trio.whoAnswers() == targets[1].port) }
            try await trio.waitForStates(["a": .down, "b": .ready])
            #expect(try await trio.destinations()["a"]?.reason?.contains("refused") ?? false)
            let health = try await trio.a.status().tunnels.first?.health
            #expect(health?.state == .down && health?.check == "tcp")
            try targets[0].start()
            try await trio.waitForStates(["a": .ready])
            #expect(try await trio.whoAnswers() == targets[0].port)
            // No question was asked twice.
            #expect(targets.map(\.questions).reduce(0, +) == 7)
            try await trio.stop()
        }

        /// Without checks the connections tell; each goes on at the other destination all the same.
        @Test func connectionsTellOfADeadTarget() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            targets[0].stop()
            for _ in 0..<TargetHealth.passiveFall { #expect(try await trio.whoAnswers() == targets[1].port) }
            try await trio.waitForStates(["a": .down])
            #expect(try await trio.whoAnswers() == targets[1].port)
            try await trio.stop()
        }

        /// When all are down a connection ends as with a single dead target.
        @Test func whenAllAreDownTheClientSeesAReset() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port)) { $0.healthCheck = self.check() }
            for target in targets { target.stop() }
            try await trio.waitForStates(["a": .down, "b": .down])
            for _ in 0..<3 {
                let client = try await trio.connect()
                try? await client.send([1, 2, 3, 4])
                #expect(try await client.receive() == .failed(ECONNRESET))
            }
            // As soon as one is there again it serves, known to be well or not.
            try targets[1].start()
            #expect(try await trio.whoAnswers() == targets[1].port)
            try await trio.stop()
        }

        /// A web server that answers, but not well.
        @Test func aTargetIsAskedOverHTTP() async throws {
            let answer = ServerAnswer("HTTP/1.1 204 No Content\r\n\r\n")
            let server = try TCPServer()
            server.serve { connection in
                _ = try await connection.receive()
                try await connection.send(Array(answer.text.utf8))
                connection.finish()
                _ = try await connection.receiveAll()
            }
            let other = try NamedTarget()
            // The other one does not speak HTTP.
            let trio = try await GatewayTrio(
                targets: [server.port, other.port], states: ["a": .ready, "b": .down]
            ) { $0.healthCheck = self.check(.http(path: "/health", expect: nil)) }
            try await Polling.wait(until: "the first to be up") { try await trio.destinations()["a"]?.target == "up" }
            answer.text = "HTTP/1.1 503 Service Unavailable\r\n\r\n"
            // A target that was slow is down as well, until the next look.
            try await Polling.wait(until: "the first to be down for what it says") {
                let first = try await trio.destinations()["a"]
                return first?.state == .down && first?.reason == "HTTP status 503"
            }
            try await trio.stop()
        }

        /// The gateway dies without a word: new connections succeed, and what was under way there ends.
        @Test func aGatewayThatIsKilledIsReplaced() async throws {
            let targets = [try TCPServer(), try TCPServer()]
            for target in targets { target.serveEcho() }
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            let client = try await trio.connect()
            try await client.send([1])
            #expect(try await client.receive() == .bytes([1]))
            try await trio.killFirst()
            // Something is on the way.
            try await client.send([2])
            for number in 0..<5 as Range<UInt8> {
                let next = try await trio.connect()
                try await next.send([number])
                #expect(try await next.receive() == .bytes([number]))
                next.close()
            }
            #expect(try await client.receive() == .failed(ECONNRESET))
            let peer = try await trio.edge.status().peers.first { $0.name == "a" }
            #expect(peer?.lastError?.contains("no gateway runs there") ?? false)
            try await trio.stop()
        }

        /// The way to the first is cut, and nothing tells why: new connections go to the other, open ones wait.
        @Test func aGatewayThatIsSilentIsReplaced() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(
                targets: targets.map(\.port), isForwarded: true, tuning: quickFailback, openPatience: .seconds(3))
            let client = try await trio.connect()
            try await Polling.wait(until: "the first to have it") {
                try await trio.a.status().tunnels.first?.openConnections == 1
            }
            // The answer to this comes behind that to the connection.
            _ = try await trio.edge.ping("a", timeout: .seconds(120))
            trio.forwarder?.cut(true)
            for _ in 0..<5 { #expect(try await trio.whoAnswers() == targets[1].port) }
            try await client.send(Array("who?".utf8))
            trio.forwarder?.cut(false)
            var said: [UInt8] = []
            while case .bytes(let bytes) = try await client.receive() { said += bytes }
            #expect(String(decoding: said, as: UTF8.self) == "\(targets[0].port);")
            try await trio.waitForStates(["a": .ready])
            #expect(try await trio.whoAnswers() == targets[0].port)
            // Those that were tried there first reached the target without a byte, or not at all.
            #expect(targets.map(\.questions) == [2, 5])
            try await trio.stop()
        }

        /// What is opened by the program itself goes on elsewhere as well.
        @Test func aProgramsConnectionIsReplaced() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            targets[0].stop()
            for _ in 0..<2 {
                let stream = try await trio.edge.dial("app")
                try await stream.write(ByteBuffer(string: "who?"))
                stream.finish()
                var said = ""
                for try await part in stream.inbound { said += String(buffer: part) }
                #expect(said == "\(targets[1].port);")
            }
            targets[1].stop()
            let stream = try await trio.edge.dial("app")
            await #expect(throws: TunnelStreamError.reset(.refused)) { _ = try await stream.read() }
            try await trio.stop()
        }

        /// The group's record says it, and the destination's owner has the last word on programs.
        @Test func aGroupSaysHowATunnelStaysAvailable() async throws {
            let fleet = try await Fleet()
            let targets = [try NamedTarget(), try NamedTarget()]
            var settings = LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0))
            settings.healthCommands = ["well": ["/bin/sh", "-c", "echo not today; exit 1"]]
            try await fleet.join("a", token: try await fleet.token())
            try await fleet.start("a", settings: settings)
            try await fleet.add("b")
            var request = TunnelRequest(
                name: "t", origins: ["hq@127.0.0.1:0"],
                destinations: ["a@127.0.0.1:\(targets[0].port)", "b@127.0.0.1:\(targets[1].port),order=1"])
            (request.health, request.healthIntervalMilliseconds, request.sticky) = ("command:well", 200, true)
            (request.failback, request.holdSeconds) = ("manual", 60)
            _ = try await fleet["hq"].setTunnel(request)
            try await fleet.waitUntilAlike()
            let definition = try await fleet["b"].groupTunnels().first?.definition
            #expect(definition?.health == "command:well" && definition?.sticky == true)
            #expect(definition?.failback == "manual" && definition?.holdSeconds == 60)
            func states() async throws -> [String: DestinationStatus] {
                let tunnel = try await fleet["hq"].status().tunnels.first { $0.name == "t" }
                return Dictionary(
                    (tunnel?.destinations ?? []).map { ($0.gateway, $0) }, uniquingKeysWith: { first, _ in first })
            }
            try await Polling.wait(until: "what the command says to be known") {
                let states = try await states()
                return states["a"]?.reason == "the command ended with 1: not today" && states["b"]?.state == .ready
            }
            // One that has no such command runs none, and goes by its connections.
            let health = try await fleet["b"].status().tunnels.first?.health
            #expect(health?.state == .unknown && health?.reason == "this gateway has no health command well")
            request.health = "exec:/bin/true"
            await #expect(throws: GroupError.self) { _ = try await fleet["hq"].setTunnel(request) }
            // Without a check it is taken for well.
            request.health = nil
            _ = try await fleet["hq"].setTunnel(request)
            try await Polling.wait(until: "the first to be no more down") { try await states()["a"]?.state != .down }
            try await fleet.stop()
        }

        @Test func anAddressKeepsItsDestination() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port), tuning: quickFailback) { tunnel in
                tunnel.isSticky = true
                for index in tunnel.destinations.indices { tunnel.destinations[index].order = 0 }
            }
            let home = try #require(try await trio.whoAnswers())
            for _ in 0..<5 { #expect(try await trio.whoAnswers() == home) }
            let number = try #require(targets.firstIndex { $0.port == home })
            targets[number].stop()
            for _ in 0..<5 { #expect(try await trio.whoAnswers() == targets[1 - number].port) }
            try await trio.stop()
        }

        @Test func aDestinationComesBackWhenAnOperatorSaysSo() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port)) {
                $0.healthCheck = self.check()
                $0.failback = .manual
            }
            targets[0].stop()
            try await trio.waitForStates(["a": .down])
            try targets[0].start()
            try await trio.waitForStates(["a": .recovering])
            #expect(try await trio.whoAnswers() == targets[1].port)
            try await trio.edge.failBack("app")
            #expect(try await trio.whoAnswers() == targets[0].port)
            await #expect(throws: GatewayError.unknownTunnel("none")) { try await trio.edge.failBack("none") }
            try await trio.stop()
        }

        /// A gateway that is to stop takes its time: what is open ends whole, what is new goes elsewhere.
        @Test func drainingLosesNothing() async throws {
            let targets = [try TCPServer(), try TCPServer()]
            for target in targets { target.serveEcho() }
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            let client = try await trio.connect()
            let bytes = Pattern.bytes(3_000_000, seed: 7)
            async let sent: Void = client.send(bytes)
            var got = try await client.receive(exactly: 100_000)
            async let left = trio.a.drain(timeout: .seconds(600))
            try await trio.waitForStates(["a": .leaving])
            #expect(try await trio.a.status().draining == true)
            let other = try await trio.connect()
            try await other.send([9])
            #expect(try await other.receive() == .bytes([9]))
            #expect(try await trio.b.status().tunnels.first?.openConnections == 1)
            got += try await client.receive(exactly: bytes.count - got.count)
            try await sent
            #expect(got == bytes)
            client.finish()
            #expect(try await client.receive() == .end)
            #expect(try await left == 0)
            try await trio.runners[0].stop()
            try await other.send([10])
            #expect(try await other.receive() == .bytes([10]))
            try await trio.stop()
        }

        @Test func drainingEndsAtItsTimeAndCanBeTakenBack() async throws {
            let targets = [try TCPServer(), try TCPServer()]
            for target in targets { target.serveEcho() }
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            let client = try await trio.connect()
            try await client.send([1])
            #expect(try await client.receive() == .bytes([1]))
            #expect(try await trio.a.drain(timeout: .milliseconds(50)) == 1)
            #expect(try await trio.a.setDraining(false) == 1)
            try await trio.waitForStates(["a": .ready])
            // An origin that drains takes nobody in.
            #expect(try await trio.edge.setDraining(true) == 1)
            try await Polling.wait(until: "clients to be refused") {
                do {
                    let next = try await trio.connect()
                    next.close()
                    return false
                } catch is SocketFailure { return true }
            }
            try await client.send([2])
            #expect(try await client.receive() == .bytes([2]))
            try await trio.stop()
        }

        /// Silence beyond the liveness bound ends connections but those of a tunnel that holds them.
        @Test func aTunnelHoldsItsConnections() async throws {
            let targets = [try TCPServer(), try TCPServer()]
            for target in targets { target.serveEcho() }
            let plain = GatewayConfiguration.Tunnel(
                name: "plain", origins: [.init(gateway: "edge", listen: HostAddress(host: "127.0.0.1", port: 0))],
                destinations: [
                    .init(gateway: "a", target: HostAddress(host: "127.0.0.1", port: UInt16(targets[0].port)))
                ])
            let trio = try await GatewayTrio(
                targets: targets.map(\.port), isForwarded: true, further: [plain]
            ) { $0.hold = .seconds(3_600) }
            let (held, other) = (try await trio.connect(), try await trio.connect("plain"))
            for client in [held, other] {
                try await client.send([1])
                #expect(try await client.receive() == .bytes([1]))
            }
            trio.forwarder?.cut(true)
            try await held.send([2])
            for (gateway, peer) in [(trio.edge, "a"), (trio.a, "edge")] {
                try await gateway.onLoop { core in
                    let channel = core.peers.first { $0.name == peer }?.channel
                    channel?.endOutlasted(now: core.currentTime() + .seconds(1_000))
                }
            }
            #expect(try await other.receive() == .failed(ECONNRESET))
            #expect(held.receiveNow() == nil)
            trio.forwarder?.cut(false)
            #expect(try await held.receive() == .bytes([2]))
            try await trio.stop()
        }
    }
}

/// What a server answers, which a test may change.
private final class ServerAnswer: Sendable {
    private let box: NIOLockedValueBox<String>
    init(_ text: String) { box = NIOLockedValueBox(text) }
    var text: String {
        get { box.withLockedValue { $0 } }
        set { box.withLockedValue { $0 = newValue } }
    }
}
