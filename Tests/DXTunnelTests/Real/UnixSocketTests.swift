import DXTestFiles
import Foundation
import Glibc
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Tunnels that begin or end at unix sockets, as applications see them.
    @Suite struct UnixSocketTests {
        private let directory = TemporaryDirectory()
        private var front: String { directory.file("front.sock") }
        private var back: String { directory.file("back.sock") }

        /// From a unix socket to a unix socket, or to another target.
        private func pair(
            to target: TunnelAddress? = nil, mode: UInt16? = nil,
            change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
        ) async throws -> GatewayPair {
            let pair = try await GatewayPair(GatewayPair.Plan([tunnel(to: target, mode: mode, change: change)]))
            try await pair.waitUntilActive()
            return pair
        }

        private func tunnel(
            to target: TunnelAddress? = nil, mode: UInt16? = nil,
            change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
        ) -> GatewayConfiguration.Tunnel {
            GatewayPair.tunnel(target: nil) { tunnel in
                tunnel.origins = [.init(gateway: "edge", address: .unix(path: front), socketMode: mode)]
                tunnel.destinations = [.init(gateway: "cloud", address: target ?? .unix(path: back))]
                change(&tunnel)
            }
        }

        private func connect() async throws -> TCPSocket {
            try await Polling.wait(for: "the socket to be there") { try? await TCPSocket.connect(toPath: front) }
        }

        private func waitUntilNoneIsOpen(_ pair: GatewayPair) async throws {
            try await Polling.wait(until: "no connection to be open") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
        }

        @Test func carriesBytesBothWaysAndEachEnd() async throws {
            let server = try TCPServer(path: back)
            let pair = try await pair()
            #expect(try await pair.originStatus().listen == ["unix:\(front)"])
            #expect(try await pair.destinationStatus().target == "unix:\(back)")
            let client = try await connect()
            let target = try await server.accept()
            let (up, down) = (Pattern.bytes(3_000_001, seed: 1), Pattern.bytes(2_000_003, seed: 2))
            async let sentUp: Void = client.send(up)
            async let sentDown: Void = target.send(down)
            async let gotUp = target.receive(exactly: up.count)
            async let gotDown = client.receive(exactly: down.count)
            _ = try await (sentUp, sentDown)
            #expect(try await gotUp == up)
            #expect(try await gotDown == down)
            // One direction ends, the other goes on.
            client.finish()
            #expect(try await target.receive() == .end)
            try await target.send([1, 2, 3])
            #expect(try await client.receive() == .bytes([1, 2, 3]))
            target.finish()
            #expect(try await client.receive() == .end)
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// The client has said everything and is gone before a destination has taken it: all the same it is said, and over.
        @Test func whatAClientLeavesBehindReachesItsTarget() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port), isForwarded: true) { tunnel in
                tunnel.origins = [.init(gateway: "edge", address: .unix(path: front), socketMode: nil)]
            }
            trio.forwarder?.cut(true)
            let client = try await connect()
            try await client.send(Array("who?".utf8))
            try await Polling.wait(until: "it to be accepted") {
                try await trio.edge.status().tunnels.first?.openConnections == 1
            }
            client.close()
            // The loop looks at its sockets before it does what it is told.
            _ = try await trio.edge.onLoop { $0.currentTime() }
            trio.forwarder?.cut(false)
            try await Polling.wait(until: "its question to come") { targets.map(\.questions).reduce(0, +) == 1 }
            try await Polling.wait(until: "no connection to be open") {
                for gateway in [trio.edge, trio.a, trio.b] {
                    guard try await gateway.status().tunnels.first?.openConnections == 0 else { return false }
                }
                return true
            }
            try await trio.stop()
        }

        /// Where it cannot listen when it is wanted, it does as soon as it can.
        @Test func aListenerThatFailedIsTriedAgain() async throws {
            let server = try TCPServer(path: back)
            server.serveEcho()
            let folder = directory.file("later")
            let path = folder + "/front.sock"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            var plan = GatewayPair.Plan([tunnel { $0.origins[0].address = .unix(path: path) }])
            plan.tuning.groupUpkeepInterval = .milliseconds(50)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            try await pair.cloudRunner.stop()
            try await Polling.wait(until: "its socket to be gone") {
                try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty
            }
            try FileManager.default.removeItem(atPath: folder)
            try await pair.cloudRunner.start()
            try await Polling.wait(until: "it to have failed") {
                try await pair.originStatus().lastError?.contains(path) ?? false
            }
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            let client = try await Polling.wait(for: "the socket to be there") {
                try? await TCPSocket.connect(toPath: path)
            }
            try await client.send([1])
            #expect(try await client.receive() == .bytes([1]))
            try await pair.stop()
        }

        /// What the configuration lets through works, at both ends.
        @Test func theLongestPathsWork() async throws {
            func longest(_ letter: String) -> String {
                directory.file(
                    String(repeating: letter, count: TunnelAddress.longestPath - directory.file("").utf8.count))
            }
            let (front, back) = (longest("f"), longest("b"))
            let server = try TCPServer(path: back)
            let pair = try await pair(to: .unix(path: back)) { $0.origins[0].address = .unix(path: front) }
            let client = try await Polling.wait(for: "the socket") { try? await TCPSocket.connect(toPath: front) }
            let target = try await server.accept()
            try await client.send([7])
            #expect(try await target.receive() == .bytes([7]))
            client.close()
            target.close()
            try await pair.stop()
        }

        /// To a program that writes and closes at once the kernel says that it is gone before what it wrote is read: all of it
        /// must arrive, and then an end in good order.
        @Test func whatWasWrittenBeforeAClosingArrives() async throws {
            let server = try TCPServer(path: back)
            let pair = try await pair()
            for size in [1, 100_000] {
                let bytes = Pattern.bytes(size, seed: UInt64(size))
                let client = try await connect()
                try await client.send(bytes)
                client.close()
                let target = try await server.accept()
                let (got, last) = try await target.receiveAll()
                #expect(got == bytes && last == .end)
                target.close()
                // And the other way: the target answers and closes.
                let second = try await connect()
                let secondTarget = try await server.accept()
                try await secondTarget.send(bytes)
                secondTarget.close()
                let (back, ending) = try await second.receiveAll()
                #expect(back == bytes && ending == .end)
                second.close()
            }
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// Whoever sends to an application that is gone hears so, as with TCP.
        @Test func whatIsSentToWhoIsGoneBreaksTheConnection() async throws {
            let server = try TCPServer()
            let pair = try await pair(to: .tcp(HostAddress(host: "127.0.0.1", port: UInt16(server.port))))
            let client = try await connect()
            let target = try await server.accept()
            try await client.send([1])
            client.close()
            #expect(try await target.receive() == .bytes([1]))
            #expect(try await target.receive() == .end)
            try await target.send([2])
            try await Polling.wait(until: "the target to hear that nobody is there") {
                do {
                    _ = try target.sendNow([3])
                    return false
                } catch { return true }
            }
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// A TCP reset on one side is an error or an end on the other: a unix socket knows no reset.
        @Test func resetsPassAsFarAsTheyCan() async throws {
            let server = try TCPServer()
            let pair = try await pair(to: .tcp(HostAddress(host: "127.0.0.1", port: UInt16(server.port))))
            let client = try await connect()
            let target = try await server.accept()
            try await target.send([1])
            #expect(try await client.receive() == .bytes([1]))
            target.reset()
            let (rest, last) = try await client.receiveAll()
            #expect(rest.isEmpty && (last == .end || last == .failed(ECONNRESET)))
            // Closing with something unread is a unix socket's reset.
            let second = try await connect()
            let secondTarget = try await server.accept()
            try await secondTarget.send([1, 2, 3])
            #expect(try await second.receive(maximum: 1) == .bytes([1]))
            second.close()
            #expect(try await secondTarget.receive() == .failed(ECONNRESET))
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// A reader that reads nothing stops the writer at the other end.
        @Test func aSlowReaderStopsTheWriter() async throws {
            let server = try TCPServer(path: back)
            let pair = try await pair()
            let client = try await connect()
            let target = try await server.accept()
            let bytes = Pattern.bytes(1 << 20, seed: 9)
            // Far more than all buffers on the way hold.
            let most = 256 << 20
            var (sent, refusals) = (0, 0)
            try await Polling.wait(until: "the writer to be stopped for good") {
                while sent < most, let count = try client.sendNow(bytes[(sent % bytes.count)...]) {
                    (sent, refusals) = (sent + count, 0)
                }
                refusals += 1
                return sent >= most || refusals == 500
            }
            #expect(sent < most)
            client.finish()
            var got = 0
            while case .bytes(let part) = try await target.receive() {
                let wanted = (0..<part.count).map { bytes[(got + $0) % bytes.count] }
                #expect(part == wanted)
                got += part.count
            }
            #expect(got == sent)
            target.close()
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        @Test func aTargetThatIsNotThereIsAnEndAtOnce() async throws {
            let pair = try await pair()
            let client = try await connect()
            let (bytes, _) = try await client.receiveAll()
            #expect(bytes.isEmpty)
            #expect(try await pair.destinationStatus().refusedConnections == 1)
            #expect(try await pair.destinationStatus().lastError?.contains("unix:\(back)") ?? false)
            // A process that died there refuses in the same way.
            directory.makeDeadSocket("back.sock")
            let second = try await connect()
            #expect(try await second.receiveAll().bytes.isEmpty)
            #expect(try await pair.destinationStatus().lastError?.contains("Connection refused") ?? false)
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        // MARK: The file

        @Test func theFileIsItsOwnersAndGoesWithTheGateway() async throws {
            let server = try TCPServer(path: back)
            server.serveEcho()
            let pair = try await pair()
            #expect(TemporaryDirectory.mode(of: front) == 0o600)
            try await pair.edgeRunner.stop()
            #expect(TemporaryDirectory.mode(of: front) == nil)
            try await pair.edgeRunner.start()
            try await pair.waitUntilActive()
            let client = try await connect()
            try await client.send([7])
            #expect(try await client.receive() == .bytes([7]))
            // Nobody listens while the destination is away, so the file is not there either.
            try await pair.cloudRunner.stop()
            try await Polling.wait(until: "the socket to be gone") { TemporaryDirectory.mode(of: front) == nil }
            try await pair.cloudRunner.start()
            try await pair.waitUntilActive()
            try await pair.stop()
        }

        @Test func theModeIsWhatIsAskedFor() async throws {
            let pair = try await pair(mode: 0o666)
            #expect(TemporaryDirectory.mode(of: front) == 0o666)
            try await pair.stop()
        }

        @Test func aDeadSocketIsReplaced() async throws {
            directory.makeDeadSocket("front.sock")
            let server = try TCPServer(path: back)
            server.serveEcho()
            let pair = try await pair()
            let client = try await connect()
            try await client.send([7])
            #expect(try await client.receive() == .bytes([7]))
            try await pair.stop()
        }

        /// A unix socket says at once that its queue is full, where a TCP one lets the kernel try again: nobody is refused for that.
        @Test func aBurstWaitsForABusyTarget() async throws {
            let server = try TCPServer(path: back, backlog: 1)
            let pair = try await pair()
            var clients: [TCPSocket] = []
            for number in 0..<UInt8(12) {
                clients.append(try await connect())
                try await clients.last?.send([number])
            }
            try await Polling.wait(until: "all wait for the target") {
                try await pair.destinationStatus().openConnections == 12
            }
            server.serveEcho()
            for (number, client) in clients.enumerated() {
                #expect(try await client.receive() == .bytes([UInt8(number)]))
            }
            #expect(try await pair.destinationStatus().refusedConnections == 0)
            try await pair.stop()
        }

        @Test func aLivingSocketIsLeftAlone() async throws {
            let other = try TCPServer(path: front)
            await #expect(throws: GatewayError.self) { _ = try await pair() }
            let client = try await TCPSocket.connect(toPath: front)
            let found = try await other.accept()
            try await client.send([1])
            // Behind the connection by which the gateway looked whether somebody is there.
            let first = try await found.receive()
            if first != .bytes([1]) { #expect(try await other.accept().receive() == .bytes([1])) }
        }

        @Test func anyOtherFileIsLeftAlone() async throws {
            directory.write("precious", to: "front.sock")
            await #expect(throws: GatewayError.self) { _ = try await pair() }
            #expect(TemporaryDirectory.mode(of: front) == 0o600)
            await #expect(throws: GatewayError.self) {
                let nowhere = tunnel { $0.origins[0].address = .unix(path: directory.file("none/front.sock")) }
                _ = try await GatewayPair(GatewayPair.Plan([nowhere]))
            }
        }

        /// The gateway's own file was replaced by another while it ran: the other one is not its to remove.
        @Test func aFileThatTookItsPlaceIsLeftAlone() async throws {
            let pair = try await pair()
            _ = try await connect()
            unsafe unlink(front)
            directory.write("precious", to: "front.sock")
            try await pair.stop()
            #expect(TemporaryDirectory.mode(of: front) == 0o600)
        }
    }
}
