import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Gateways that find each other again where they were last, when nothing else says where they are.
    @Suite(.serialized) struct ReachFleetTests {
        /// An address at which nobody is.
        private static let nowhere = HostAddress(host: "127.0.0.1", port: 9)
        private static let settings = LocalSettings(
            listen: HostAddress(host: "127.0.0.1", port: 0), advertise: [nowhere])

        private func areConnected(_ fleet: Fleet, _ names: [String]) async throws -> Bool {
            for name in names {
                let isConnected = try await fleet[name].onLoop { core in
                    core.peers.contains { $0.isConnected } && core.peers.allSatisfy { $0.addresses == [Self.nowhere] }
                }
                guard isConnected else { return false }
            }
            return true
        }

        @Test func bothAreFoundWhereTheyWere() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            // From now on both tell the group an address that is none.
            for name in ["hq", "edge-1"] {
                try await fleet.stop(name)
                try await fleet.start(name, settings: Self.settings)
            }
            try await Polling.wait(until: "both to know nothing but that") {
                try await areConnected(fleet, ["hq", "edge-1"])
            }
            for name in ["hq", "edge-1"] { try await fleet.stop(name) }
            for name in ["edge-1", "hq"] { try await fleet.start(name, settings: Self.settings) }
            try await Polling.wait(until: "both to be connected again") {
                try await areConnected(fleet, ["hq", "edge-1"])
            }
            try await fleet.stop()
        }

        @Test func aDamagedFileIsToldAndReplaced() async throws {
            let fleet = try await Fleet()
            try await fleet.stop("hq")
            try StateDirectory(locking: fleet.state("hq")).save(reach: ReachFile.bytes(ReachBook()))
            let path = fleet.state("hq") + "/reach.state"
            try Data("DXRE".utf8).write(to: URL(fileURLWithPath: path))
            try await fleet.start("hq")
            #expect(try await fleet["hq"].status().drops["reach_file_refused"] == 1)
            try await fleet.stop("hq")
            try await fleet.start("hq")
            #expect(try await fleet["hq"].status().drops["reach_file_refused"] == nil)
            try await fleet.stop()
        }
    }
}
