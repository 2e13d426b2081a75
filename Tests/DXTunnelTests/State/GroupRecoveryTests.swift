import DXSecure
import DXTestFiles
import Testing

@testable import DXTunnel

/// The admin's disk is gone; the root key is not.
@Suite struct GroupRecoveryTests {
    @Test func anyMemberBecomesAnAdminByTheRootKey() async throws {
        let keys = TemporaryDirectory()
        let fleet = try await Fleet(recoveryFile: keys.file("root.key"))
        for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
        try await fleet.waitUntilAlike()
        // For good: hq never runs again.
        try await fleet.stop("hq")
        try await fleet.stop("edge-1")
        let summary = try GroupRecovery(stateDirectory: fleet.state("edge-1"), keyFile: keys.file("root.key")).run()
        #expect(summary.thisGateway?.admin == true)
        let again = try GroupRecovery(stateDirectory: fleet.state("edge-1"), keyFile: keys.file("root.key")).run()
        #expect(again.revision == summary.revision)
        try await fleet.start("edge-1")
        _ = try await fleet["edge-1"].setTunnel(
            TunnelRequest(name: "x", origins: ["edge-1@127.0.0.1:0"], destinations: ["edge-2@127.0.0.1:1"]))
        _ = try await fleet.port("x", at: "edge-1")
        _ = try await fleet["edge-1"].invite(InviteRequest())
        try await fleet.stop()
    }

    @Test func anotherKeyIsRefused() async throws {
        let keys = TemporaryDirectory()
        let fleet = try await Fleet(recoveryFile: keys.file("root.key"))
        try await fleet.add("edge-1")
        // A running gateway's directory is its own.
        #expect(throws: StateProblem.self) {
            try GroupRecovery(stateDirectory: fleet.state("edge-1"), keyFile: keys.file("root.key")).run()
        }
        try await fleet.stop()
        try Identity.generate().write(to: keys.file("other.key"))
        #expect(throws: StateProblem.self) {
            try GroupRecovery(stateDirectory: fleet.state("edge-1"), keyFile: keys.file("other.key")).run()
        }
    }
}
