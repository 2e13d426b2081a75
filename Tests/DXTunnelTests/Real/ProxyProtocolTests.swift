import DXTestFiles
import Glibc
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// The target is told who the client is, and a range of ports keeps its order.
    @Suite struct ProxyProtocolTests {
        private let directory = TemporaryDirectory()
        private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

        private func pair(_ change: (inout GatewayConfiguration.Tunnel) -> Void) async throws -> GatewayPair {
            let pair = try await GatewayPair(
                GatewayPair.Plan([GatewayPair.tunnel(target: nil) { change(&$0) }]))
            try await pair.waitUntilActive()
            return pair
        }

        private func target(_ server: TCPServer) -> TunnelAddress {
            .tcp(HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
        }

        @Test func theTargetHearsTheClientsAddress() async throws {
            let server = try TCPServer()
            let pair = try await pair { tunnel in
                tunnel.destinations[0].address = target(server)
                tunnel.proxyProtocol = true
            }
            #expect(try await pair.destinationStatus().proxyProtocol == true)
            let port = try await pair.originPort()
            for text in ["GET /", ""] {
                let client = try await pair.connect()
                if !text.isEmpty { try await client.send(Array(text.utf8)) }
                let connection = try await server.accept()
                let header = try await connection.receive(exactly: 28)
                #expect(header.prefix(12) == Self.signature[...])
                let ports = [UInt16(client.localPort), UInt16(port)].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
                #expect(Array(header.dropFirst(12)) == [0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1] + ports)
                if !text.isEmpty {
                    #expect(try await connection.receive(exactly: text.utf8.count) == Array(text.utf8))
                }
                try await connection.send([9])
                #expect(try await client.receive() == .bytes([9]))
                client.finish()
                #expect(try await connection.receive() == .end)
                connection.close()
            }
            // The header is not the client's: it is not counted.
            try await Polling.wait(until: "no connection to be open") {
                try await pair.destinationStatus().openConnections == 0
            }
            #expect(try await pair.destinationStatus().bytesToTarget == 5)
            try await pair.stop()
        }

        @Test func whoHasNoAddressIsToldWithoutOne() async throws {
            let server = try TCPServer()
            let path = directory.file("front.sock")
            let pair = try await pair { tunnel in
                tunnel.origins[0].address = .unix(path: path)
                tunnel.destinations[0].address = target(server)
                tunnel.proxyProtocol = true
            }
            let client = try await TCPSocket.connect(toPath: path)
            let connection = try await server.accept()
            #expect(try await connection.receive(exactly: 16) == Self.signature + [0x21, 0, 0, 0])
            client.close()
            let stream = try await pair.edge.dial("app")
            let second = try await server.accept()
            #expect(try await second.receive(exactly: 16) == Self.signature + [0x20, 0, 0, 0])
            stream.reset()
            try await pair.stop()
        }

        /// A whole stream in one packet, with its end.
        @Test func whatComesWithTheHeadIsNotLost() async throws {
            let server = try TCPServer()
            let pair = try await pair { tunnel in
                tunnel.destinations[0].address = target(server)
                tunnel.proxyProtocol = true
            }
            for count in [1, 100, 70_000, 1_000_000] {
                let bytes = Pattern.bytes(count, seed: UInt64(count))
                let client = try await pair.connect()
                async let sent: Void = client.send(bytes)
                let connection = try await server.accept()
                let header = try await connection.receive(exactly: 28)
                #expect(header.count == 28)
                #expect(try await connection.receive(exactly: count) == bytes)
                try await sent
                client.finish()
                #expect(try await connection.receive() == .end)
                connection.close()
                #expect(try await client.receive() == .end)
            }
            try await pair.stop()
        }

        // MARK: Ranges of ports

        /// Servers at neighbouring ports, each of which says its place.
        private func servers(_ count: Int) throws -> (servers: [TCPServer], first: Int) {
            for _ in 0..<100 {
                // Below those that the kernel gives to whoever asks for any.
                let first = Int.random(in: 12_000..<32_000)
                guard let servers = try? (0..<count).map({ try TCPServer(port: first + $0) }) else { continue }
                for (place, server) in servers.enumerated() {
                    server.serve { connection in
                        try await connection.send([UInt8(place)])
                        _ = try await connection.receiveAll()
                    }
                }
                return (servers, first)
            }
            throw Polling.TimedOut(what: "\(count) free ports in a row")
        }

        /// The first of so many free ports in a row.
        private func freePorts(_ count: Int) throws -> Int {
            let (servers, first) = try servers(count)
            for server in servers { server.close() }
            return first
        }

        @Test func eachPortOfARangeLeadsToItsOwn() async throws {
            let (servers, first) = try servers(4)
            let front = try freePorts(4)
            let pair = try await pair { tunnel in
                tunnel.origins[0].address = .tcp(HostAddress(host: "127.0.0.1", port: UInt16(front)), portCount: 4)
                tunnel.destinations[0].address = .tcp(HostAddress(host: "127.0.0.1", port: UInt16(first)), portCount: 4)
            }
            #expect(try await pair.originStatus().listen == ["127.0.0.1:\(front)-\(front + 3)"])
            #expect(try await pair.destinationStatus().target == "127.0.0.1:\(first)-\(first + 3)")
            for place in [3, 0, 2, 1] {
                let client = try await TCPSocket.connect(to: front + place)
                #expect(try await client.receive(exactly: 1) == [UInt8(place)])
                client.close()
            }
            // A program that names none gets the first.
            let said = try await pair.edge.dial("app").read()
            #expect(said.map { Array(buffer: $0) } == [0])
            for server in servers { server.close() }
            try await pair.stop()
        }

        @Test func aRangeMayLeadToOnePort() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let front = try freePorts(3)
            let pair = try await pair { tunnel in
                tunnel.origins[0].address = .tcp(HostAddress(host: "127.0.0.1", port: UInt16(front)), portCount: 3)
                tunnel.destinations[0].address = target(server)
            }
            for place in 0..<3 {
                let client = try await TCPSocket.connect(to: front + place)
                try await client.send([UInt8(place)])
                #expect(try await client.receive(exactly: 1) == [UInt8(place)])
                client.close()
            }
            try await pair.stop()
        }

        /// The two files do not say the same: nothing is served, and both say why.
        @Test func rangesOfDifferentLengthAreRefused() async throws {
            let front = try freePorts(3)
            let address = HostAddress(host: "127.0.0.1", port: UInt16(front))
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: nil) { $0.origins[0].address = .tcp(address, portCount: 3) }
            ])
            plan.cloudTunnels = [
                GatewayPair.tunnel(target: nil, listen: nil) { tunnel in
                    tunnel.destinations[0].address = .tcp(HostAddress(host: "127.0.0.1", port: 9), portCount: 2)
                }
            ]
            let pair = try await GatewayPair(plan)
            try await Polling.wait(until: "the origin to be told") {
                try await pair.originStatus().lastError?.contains("2 ports, and the origin listens at 3") ?? false
            }
            #expect(try await pair.originStatus().state == .waiting)
            await #expect(throws: SocketFailure.self) { _ = try await TCPSocket.connect(to: front) }
            try await pair.stop()
        }

        // MARK: Other programs at the other end

        /// An origin of an older version offers nothing: it is refused, and not served without the header.
        @Test func anOriginThatOffersNothingIsRefused() async throws {
            let server = try TCPServer()
            let pair = try await pair { tunnel in
                tunnel.destinations[0].address = target(server)
                tunnel.proxyProtocol = true
            }
            let answers = try await pair.cloud.onLoop { core in
                let tunnel = core.destinations[0]
                return [ActivationTerms(), ActivationTerms(features: .deflate), ActivationTerms(features: .head)].map {
                    switch tunnel.answer(to: $0) {
                    case .features(let features): "\(features.rawValue)"
                    case .impossible(let reason): reason
                    }
                }
            }
            #expect(answers[0].contains("too old"))
            #expect(answers[1].contains("too old"))
            #expect(answers[2] == "1")
            try await pair.stop()
        }

        /// A hostile origin: a head that is none, a port that there is not.
        @Test func aStreamThatBeginsOtherwiseIsRefused() async throws {
            let (servers, first) = try servers(2)
            let front = try freePorts(2)
            let pair = try await pair { tunnel in
                tunnel.origins[0].address = .tcp(HostAddress(host: "127.0.0.1", port: UInt16(front)), portCount: 2)
                tunnel.destinations[0].address = .tcp(HostAddress(host: "127.0.0.1", port: UInt16(first)), portCount: 2)
            }
            for head in [StreamHead(port: 2), StreamHead(port: 1 << 61)] {
                let stream = try await pair.edge.onLoop { core in
                    var made: ProgramBridge?
                    try core.origins[0].connect(head: head) { channel, id, _, _ in
                        let bridge = ProgramBridge(
                            channel: channel, id: id, usage: core.origins[0].usage, core: core)
                        made = bridge
                        return bridge
                    }
                    return made.map { TunnelStream(bridge: $0, gate: core.gate) }
                }
                await #expect(throws: TunnelStreamError.self) { _ = try await stream?.read() }
            }
            #expect(try await pair.destinationStatus().refusedConnections == 2)
            #expect(try await pair.destinationStatus().lastError?.contains("names a port") ?? false)
            for server in servers { server.close() }
            try await pair.stop()
        }
    }
}
