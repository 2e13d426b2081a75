import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXTunnel

@Suite struct HealthCheckTests {
    typealias Kind = GatewayConfiguration.HealthCheck.Kind

    @Test(arguments: ["tcp", "http:/", "http:/health?a=b", "http:/health=204", "command:disk"])
    func isReadAsItIsWritten(text: String) {
        #expect(Kind(text)?.description == text)
        #expect(Kind(text).map { GatewayConfiguration.HealthCheck($0).fault } == .some(nil))
    }

    @Test func readsWhatIsMeant() {
        #expect(Kind("http") == .http(path: "/", expect: nil))
        #expect(Kind("http:/a=200") == .http(path: "/a", expect: 200))
        #expect(Kind("http:/a=20") == .http(path: "/a=20", expect: nil))
        #expect(Kind("udp") == nil)
        #expect(Kind("exec:/bin/sh") == nil)
    }

    @Test func refusesWhatCannotBe() {
        func fault(_ kind: Kind, _ change: (inout GatewayConfiguration.HealthCheck) -> Void = { _ in }) -> String? {
            var check = GatewayConfiguration.HealthCheck(kind)
            change(&check)
            return check.fault
        }
        #expect(fault(.tcp) == nil)
        #expect(fault(.tcp) { $0.interval = .milliseconds(99) } != nil)
        #expect(fault(.tcp) { $0.timeout = .seconds(61) } != nil)
        #expect(fault(.tcp) { $0.rise = 0 } != nil)
        #expect(fault(.http(path: "health", expect: nil)) != nil)
        #expect(fault(.http(path: "/a b", expect: nil)) != nil)
        #expect(fault(.http(path: "/a\r\nX: y", expect: nil)) != nil)
        #expect(fault(.http(path: "/", expect: 1_000)) != nil)
        #expect(fault(.command(name: "../x")) != nil)
        #expect(GatewayConfiguration.fault(of: ["check"]) != nil)
        #expect(GatewayConfiguration.fault(of: []) != nil)
        #expect(GatewayConfiguration.fault(of: ["/bin/true", "a\0b"]) != nil)
        #expect(GatewayConfiguration.fault(of: ["/bin/true"]) == nil)
    }

    private func run(_ command: [String], timeout: Interval = .seconds(60)) async throws -> String? {
        try await HealthCommandRun.run(
            command, environment: ["DX_TARGET": "127.0.0.1:80"], timeout: timeout,
            at: LoopGate(MultiThreadedEventLoopGroup.singleton.any())
        ).get()
    }

    @Test func aCommandSaysHowItIs() async throws {
        #expect(try await run(["/bin/true"]) == nil)
        #expect(try await run(["/bin/false"]) == "the command ended with 1")
        #expect(
            try await run(["/bin/sh", "-c", "echo no disk; echo more; exit 3"]) == "the command ended with 3: no disk")
        #expect(try await run(["/bin/sh", "-c", "kill -9 $$"]) == "the command ended with 137")
        #expect(try await run(["/nowhere/check"]) == "the command cannot be run: /nowhere/check")
        #expect(try await run(["/bin/sh", "-c", "test \"$DX_TARGET\" = 127.0.0.1:80"]) == nil)
    }

    /// It has no input, no descriptors of ours, no other user's rights, and no time without end.
    @Test func aCommandIsKeptShort() async throws {
        #expect(try await run(["/bin/sh", "-c", "read line; test $? -ne 0"]) == nil)
        #expect(
            try await run(["/bin/sh", "-c", "ls /proc/self/fd | while read n; do test $n -lt 4 || exit 9; done"]) == nil
        )
        #expect(try await run(["/bin/sh", "-c", "grep -q 'NoNewPrivs:.1' /proc/self/status"]) == nil)
        #expect(try await run(["/bin/sh", "-c", "test $(id -u) -ne 0"]) == nil)
        #expect(try await runLate("echo waiting; sleep 600") == "the command did not end in time: waiting")
        // What talks without end ends as well, and is not kept.
        #expect(try await runLate("yes") == "the command did not end in time: y")
    }

    /// What is said of a script whose time is over, once it has had time to say something.
    private func runLate(_ script: String) async throws -> String? {
        var said: String?
        for timeout in [300, 3_000, 30_000] as [Int64] {
            said = try await run(["/bin/sh", "-c", script], timeout: .milliseconds(timeout))
            if said != "the command did not end in time" { break }
        }
        return said
    }
}
