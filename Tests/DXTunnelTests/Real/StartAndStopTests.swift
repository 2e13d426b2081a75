import FoundationEssentials
import Glibc
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// What a gateway takes, and gives back.
    @Suite struct StartAndStopTests {
        /// A gateway that cannot run, and what it says.
        private func failure(_ runner: GatewayRunner) async throws -> String {
            do {
                try await runner.start()
                try await runner.stop()
                return "it started"
            } catch GatewayError.listen(let text) { return text }
        }

        @Test func aTCPPortInUseIsNamedBeforeAnythingStarts() async throws {
            let server = try TCPServer()
            let taken = try TCPServer()
            let free = try TCPServer.unusedPort()
            let pair = try await GatewayPair(
                GatewayPair.Plan([
                    GatewayPair.tunnel(
                        "first", target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)),
                        listen: HostAddress(host: "127.0.0.1", port: UInt16(free))),
                    GatewayPair.tunnel("second", target: HostAddress(host: "127.0.0.1", port: UInt16(server.port))),
                ]))
            try await pair.edgeRunner.stop()
            pair.edgeRunner.change {
                $0.tunnels[1].origins[0].listen = HostAddress(host: "127.0.0.1", port: UInt16(taken.port))
            }
            let text = try await failure(pair.edgeRunner)
            #expect(text.contains("TCP 127.0.0.1:\(taken.port) is in use"), "\(text)")
            // Neither the port before it nor the UDP port is held.
            let first = try TCPServer(port: free)
            first.close()
            let udp = try UDPSocket(port: Int(pair.edgeRunner.address.port))
            udp.close()
            try await pair.cloudRunner.stop()
        }

        @Test func aUDPPortInUseIsNamedBeforeAnythingStarts() async throws {
            let server = try TCPServer()
            let free = try TCPServer.unusedPort()
            let pair = try await GatewayPair(
                GatewayPair.Plan([
                    GatewayPair.tunnel(
                        target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)),
                        listen: HostAddress(host: "127.0.0.1", port: UInt16(free)))
                ]))
            try await pair.edgeRunner.stop()
            let taken = try UDPSocket(port: Int(pair.edgeRunner.address.port))
            let text = try await failure(pair.edgeRunner)
            #expect(text.contains("127.0.0.1:\(taken.port)") && text.contains("in use"), "\(text)")
            let listener = try TCPServer(port: free)
            listener.close()
            taken.close()
            // Nothing is left behind that keeps it from starting now.
            try await pair.edgeRunner.start()
            try await pair.waitUntilActive()
            try await pair.stop()
        }

        /// Descriptors of this process now, by their kind.
        private func descriptors() throws -> [String: Int] {
            let kinds = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").map { name in
                let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")) ?? ""
                // Kinds, not numbers: the directory itself is open while it is read.
                return target.split(separator: ":").first.map(String.init) ?? ""
            }.filter { $0 == "socket" || $0.hasPrefix("anon_inode") || $0 == "pipe" }
            return Dictionary(kinds.map { ($0, 1) }, uniquingKeysWith: +)
        }

        /// A pair with connections in every state, stopped: every socket, selector and timer is closed, and nothing is
        /// said on standard error.
        @Test func stoppingGivesEverythingBack() async throws {
            // What is made once and kept, as the threads that look names up.
            try await runEverything()
            let before = try descriptors()
            let said = try await StandardError.captured {
                for _ in 0..<3 { try await runEverything() }
                // Other tests of this process open some for a while, and close those that they had: what is lost here, three
                // times, stays.
                try await Polling.wait(until: "no more of any kind than before") {
                    try descriptors().allSatisfy { $0.value <= before[$0.key] ?? 0 }
                }
            }
            // Names of tests stand there as well.
            #expect(!said.contains("EventLoop that has") && !said.contains("ERROR:"), "\(said)")
        }

        private func runEverything() async throws {
            let server = try TCPServer()
            let full = try TCPServer(backlog: 0)
            let filler = try await TCPSocket.connect(to: full.port)
            let loopback = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            let pair = try await GatewayPair(
                GatewayPair.Plan([
                    GatewayPair.tunnel(target: loopback),
                    GatewayPair.tunnel("stuck", target: HostAddress(host: "127.0.0.1", port: UInt16(full.port))),
                    GatewayPair.tunnel("program", target: nil, listen: nil),
                ]))
            try await pair.waitUntilActive()
            // Idle, half-closed either way, with data that nobody reads, still connecting, in the program.
            let accepted = AcceptedStreams()
            try await pair.cloud.serve("program") { accepted.append($0) }
            var clients: [TCPSocket] = []
            var targets: [TCPSocket] = []
            for _ in 0..<4 {
                clients.append(try await pair.connect())
                targets.append(try await server.accept())
            }
            clients[1].finish()
            #expect(try await targets[1].receive() == .end)
            targets[2].finish()
            #expect(try await clients[2].receive() == .end)
            _ = try clients[3].sendNow(Pattern.bytes(2_000_000, seed: 1)[...])
            let stuck = try await pair.connect("stuck")
            try await stuck.send([1])
            let stream = try await pair.edge.dial("program")
            let other = try await accepted.next()
            try await pair.stop()
            for client in clients + [stuck] {
                let (_, last) = try await client.receiveAll()
                // Where the other direction was at its end already, the kernel shows the reset to writers alone.
                #expect(last == (client === clients[2] ? .end : .failed(ECONNRESET)))
            }
            await #expect(throws: TunnelStreamError.channelClosed) { _ = try await stream.read() }
            await #expect(throws: TunnelStreamError.channelClosed) { _ = try await other.read() }
            filler.close()
        }
    }
}
