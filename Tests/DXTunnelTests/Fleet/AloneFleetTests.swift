import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Gateways that find each other although no matchmaker, no address of the group's and no memory helps.
    @Suite(.serialized) struct AloneFleetTests {
        /// An address at which nobody is.
        private static let nowhere = HostAddress(host: "127.0.0.1", port: 9)

        private static func settings(lan: Bool) -> LocalSettings {
            LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0), advertise: [nowhere], lan: lan)
        }

        private static var tuning: GatewayTuning {
            var tuning = GatewayTuning()
            tuning.usesLoopback = true
            return tuning
        }

        private func isConnected(_ fleet: Fleet, _ name: String, to peer: String) async throws -> Bool {
            try await fleet[name].onLoop { core in core.peers.contains { $0.name == peer && $0.isHeard } }
        }

        private func forget(_ fleet: Fleet, _ name: String) throws {
            try FileManager.default.removeItem(atPath: fleet.state(name) + "/reach.state")
        }

        /// Starts gateways that tell the group an address which is none, and waits until all know it.
        private func mislead(_ fleet: Fleet, _ names: [String], lan: Bool) async throws {
            for name in names {
                try await fleet.stop(name)
                try await fleet.start(name, settings: Self.settings(lan: lan))
            }
            try await Polling.wait(until: "all to know nothing but that") {
                for name in names {
                    let isMisled = try await fleet[name].onLoop { core in
                        core.peers.allSatisfy { !names.contains($0.name) || $0.addresses == [Self.nowhere] }
                    }
                    guard isMisled else { return false }
                }
                return true
            }
        }

        @Test func theyHearEachOtherInTheirNetwork() async throws {
            let fleet = try await Fleet(tuning: Self.tuning)
            try await fleet.add("edge-1")
            try await mislead(fleet, ["hq", "edge-1"], lan: true)
            for name in ["hq", "edge-1"] {
                try await fleet.stop(name)
                try forget(fleet, name)
            }
            for name in ["hq", "edge-1"] { try await fleet.start(name, settings: Self.settings(lan: true)) }
            try await Polling.wait(until: "both to be connected") {
                let here = try await isConnected(fleet, "hq", to: "edge-1")
                let there = try await isConnected(fleet, "edge-1", to: "hq")
                return here && there
            }
            try await Polling.wait(until: "hq to have heard it as well") {
                try await fleet["hq"].onLoop { $0.lan?.neighbourCount } == 1
            }
            try await fleet.stop()
        }

        /// A member is introduced by one that has channels with both, and by none when it does not know how.
        @Test func aMemberIntroducesThem() async throws {
            let fleet = try await Fleet(tuning: Self.tuning)
            for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
            try await mislead(fleet, ["edge-1", "edge-2"], lan: false)
            for name in ["edge-1", "edge-2"] {
                try await fleet.stop(name)
                try forget(fleet, name)
            }
            for name in ["edge-1", "edge-2"] { try await fleet.start(name, settings: Self.settings(lan: false)) }
            try await Polling.wait(until: "the edges to be connected") {
                let here = try await isConnected(fleet, "edge-1", to: "edge-2")
                let there = try await isConnected(fleet, "edge-2", to: "edge-1")
                return here && there
            }
            try await Polling.wait(until: "hq to have passed on both halves") {
                try await fleet["hq"].onLoop { $0.group?.introductions.statistics.passed ?? 0 } >= 2
            }
            #expect(try await fleet["edge-1"].onLoop { $0.lan == nil })
            try await fleet.stop()
        }
    }
}
