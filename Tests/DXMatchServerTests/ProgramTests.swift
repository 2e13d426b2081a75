import DXMatch
import DXSecure
import DXTestFiles
import DXWire
import Foundation
import Testing

@testable import DXMatchServer

/// The built `dxmatchd`, run as a person runs it.
@Suite struct ProgramTests {
    private let directory = TemporaryDirectory()
    private let matchKey = try! Identity.generate()
    private var state: String { directory.file("state") }

    /// It is built beside the test bundle.
    private static let url = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("dxmatchd")

    private struct Outcome {
        let output: String
        let errors: String
        let status: Int32
    }

    /// A running program, whose log is read line by line.
    private final class Running {
        let process = Process()
        private let errors = Pipe()
        private var read = ""
        private var lines: [String] = []

        init(_ arguments: [String]) throws {
            process.executableURL = ProgramTests.url
            process.arguments = arguments
            process.standardError = errors
            try process.run()
        }

        deinit {
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        }

        /// A line that has `text` in it, and was not given before; nil when the program ends without one. Its parts begin together, so
        /// lines come in any order.
        func line(with text: String) -> String? {
            while true {
                if let index = lines.firstIndex(where: { $0.contains(text) }) { return lines.remove(at: index) }
                let data = errors.fileHandleForReading.availableData
                guard !data.isEmpty else { return nil }
                read += String(decoding: data, as: UTF8.self)
                while let end = read.firstIndex(of: "\n") {
                    lines.append(String(read[..<end]))
                    read.removeSubrange(...end)
                }
            }
        }

        /// Its first address on loopback.
        func address() throws -> Endpoint {
            let serving = try #require(line(with: " serving "))
            let place = try #require(serving.range(of: "127.0.0.1:"))
            let port = try #require(UInt16(serving[place.upperBound...].prefix { $0.isNumber }))
            return Endpoint(v4: 0x7f00_0001, port: port)
        }

        func end(_ signal: Int32 = SIGTERM) -> Int32 {
            kill(process.processIdentifier, signal)
            process.waitUntilExit()
            return process.terminationStatus
        }
    }

    private func run(_ arguments: String...) throws -> Outcome {
        let process = Process()
        process.executableURL = Self.url
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(output: text, errors: errorText, status: process.terminationStatus)
    }

    private func start(_ groups: String, _ more: String...) throws -> Running {
        try Running(
            ["run", "--listen", "127.0.0.1:0", "--alternate", ":0", "--state", state, "--groups", groups] + more)
    }

    @Test func pinIsMadeOnce() throws {
        let first = try run("pin", "--state", state)
        #expect(first.status == 0 && GatewayID(text: String(first.output.dropLast())) != nil)
        #expect(try run("pin", "--state", state).output == first.output)
        #expect(try run("pin", "--state", state, "--json").output.hasPrefix(#"{"pin":"\#(first.output.dropLast())","#))
        directory.setMode(0o755, of: "state")
        let refused = try run("pin", "--state", state)
        #expect(refused.status == 1 && refused.errors.contains("chmod 700"))
    }

    @Test func refusesToGuessWhomItServes() throws {
        let neither = try run("run", "--state", state)
        #expect(neither.status == 2 && neither.errors.contains("--groups FILE") && neither.errors.contains("--open"))
        #expect(try run("run", "--state", state, "--open", "--groups", "x").status == 2)
        #expect(try run("run", "--open", "--listen", "nowhere").status == 2)
        #expect(try run("audit", "12").status == 2)
        #expect(try run("audit", "00112233445566778899aabbccddeeff", "--state", state).status == 3)
        let bad = directory.write("# one\nno key\n", to: "groups")
        let refused = try run("run", "--state", state, "--groups", bad)
        #expect(refused.status == 1 && refused.errors.contains("\(bad):2: "))
    }

    /// A member is served, audited, told to leave; its ticket is good after the restart.
    @Test func servesAuditsAndDrains() throws {
        let groups = directory.write(Base64URL.text(matchKey.publicKey.bytes) + " # plant\n", to: "groups")
        let pin = try #require(GatewayID(text: String(try run("pin", "--state", state).output.dropLast())))
        let first = try start(groups, "--drain-seconds", "600")
        let address = try first.address()
        let gateway = try TestGateway(pin: pin, matchKey: matchKey, over: LoopbackTransport(to: address))
        try gateway.takeTicket()
        try gateway.register()
        _ = first.line(with: "control socket ready")
        let audit = try run("audit", "\(gateway.groupTag)", "--state", state)
        #expect(audit.status == 0)
        for text in [
            "1 registrations", "\(gateway.memberTag)", "\(gateway.transport.address)", "\(gateway.handle)",
            Base64URL.text(gateway.blob),
        ] {
            #expect(audit.output.contains(text))
        }
        let json = try run("audit", "\(gateway.groupTag)", "--state", state, "--json").output
        #expect(json.contains(#""member_tag":"\#(gateway.memberTag)""#) && json.contains(#""schema":1"#))
        kill(first.process.processIdentifier, SIGTERM)
        #expect(first.line(with: "leaving") != nil)
        #expect(try gateway.refresh()?.flags.contains(.leaving) == true)
        // A second one ends it at once.
        #expect(first.end() == 0)
        let second = try start(groups)
        gateway.transport = LoopbackTransport(to: try second.address())
        #expect(try gateway.observe() == gateway.transport.address)
        _ = second.line(with: "control socket ready")
        #expect(second.end(SIGINT) == 0)
    }

    @Test func readsGroupsAgain() throws {
        let groups = directory.write("", to: "groups")
        let pin = try #require(GatewayID(text: String(try run("pin", "--state", state).output.dropLast())))
        let running = try start(groups, "--drain-seconds", "0")
        let gateway = try TestGateway(pin: pin, matchKey: matchKey, over: LoopbackTransport(to: try running.address()))
        #expect(try gateway.takeTicket().result == .notServed)
        directory.write(Base64URL.text(matchKey.publicKey.bytes) + "\n", to: "groups")
        kill(running.process.processIdentifier, SIGHUP)
        #expect(running.line(with: "groups read again") != nil)
        #expect(try gateway.takeTicket().result == .granted)
        // A file with a mistake changes nothing.
        directory.write("mistake\n", to: "groups")
        kill(running.process.processIdentifier, SIGHUP)
        #expect(running.line(with: "\(groups):1:") != nil)
        #expect(try gateway.takeTicket().result == .granted)
        #expect(running.end() == 0)
    }

    // MARK: Configuration and figures

    @Test func runsFromAFile() throws {
        directory.write(Base64URL.text(matchKey.publicKey.bytes) + "\n", to: "groups")
        let file = directory.write(
            """
            listen: "127.0.0.1:0"
            alternate: ":0"
            state: state
            groups: groups
            metrics: "127.0.0.1:0"
            drain_seconds: 0
            """, to: "matchd.yaml")
        let pin = try #require(GatewayID(text: String(try run("pin", "--state", state).output.dropLast())))
        let running = try Running(["run", "--config", file])
        let address = try running.address()
        let gateway = try TestGateway(pin: pin, matchKey: matchKey, over: LoopbackTransport(to: address))
        try gateway.takeTicket()
        try gateway.register()
        let ready = try #require(running.line(with: "metrics ready"))
        let port = try #require(UInt16(ready.split(separator: ":").last ?? ""))
        let page = try get("/metrics", from: Endpoint(v4: 0x7f00_0001, port: port))
        #expect(page.hasPrefix("HTTP/1.1 200 OK\r\n") && page.hasSuffix("\n# EOF\n"))
        #expect(page.lowercased().contains("content-type: application/openmetrics-text; version=1.0.0"))
        for line in [
            "dx_match_registrations 1", "dx_match_served_match_keys 1", "dx_match_leaving 0",
            "dx_match_tickets_total{result=\"granted\"} 1", "dx_match_answers_total 2",
            "dx_match_dropped_datagrams_total{reason=\"unopened\"} 0", "# TYPE process_resident_memory_bytes gauge",
        ] {
            #expect(page.contains("\n\(line)\n"), "\(line)")
        }
        #expect(try get("/", from: Endpoint(v4: 0x7f00_0001, port: port)).hasPrefix("HTTP/1.1 404"))
        #expect(running.end() == 0)
        // A second one cannot have the same page.
        let other = try Running([
            "run", "--open", "--listen", "127.0.0.1:0", "--alternate", ":0", "--state", directory.file("other"),
            "--metrics", "192.0.2.77:1",
        ])
        #expect(other.line(with: "metrics can not be served at 192.0.2.77:1") != nil)
        other.process.waitUntilExit()
        #expect(other.process.terminationStatus == 1)
        let mistaken = directory.write("open: maybe\n", to: "matchd.yaml")
        let refused = try run("run", "--config", mistaken)
        #expect(refused.status == 1 && refused.errors.contains("\(mistaken):1:7: "))
    }

    /// Without its shared registry it serves alone, and says so once.
    @Test func servesWithoutItsRegistry() throws {
        #expect(try run("run", "--open", "--state", state, "--registry", "mysql://h").status == 2)
        let running = try Running([
            "run", "--open", "--listen", "127.0.0.1:0", "--alternate", ":0", "--state", state, "--drain-seconds", "0",
            "--registry",
            "redis://127.0.0.1:1/0",
        ])
        let address = try running.address()
        #expect(running.line(with: "the registry is away: going on alone") != nil)
        let pin = try #require(GatewayID(text: String(try run("pin", "--state", state).output.dropLast())))
        let gateway = try TestGateway(pin: pin, matchKey: matchKey, over: LoopbackTransport(to: address))
        try gateway.takeTicket()
        try gateway.register()
        #expect(try gateway.refresh() != nil)
        #expect(running.end() == 0)
    }

    /// One HTTP exchange, whole.
    private func get(_ path: String, from server: Endpoint) throws -> String {
        let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(stream) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(truncatingIfNeeded: server.low).bigEndian
        address.sin_port = server.port.bigEndian
        let isConnected = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(stream, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        try #require(isConnected)
        let request = Array("GET \(path) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".utf8)
        #expect(unsafe send(stream, request, request.count, 0) == request.count)
        var answer: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while case let count = unsafe recv(stream, &part, part.count, 0), count > 0 { answer += part[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }
}
