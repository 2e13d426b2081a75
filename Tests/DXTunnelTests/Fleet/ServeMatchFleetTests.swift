import DXMatch
import DXMatchServer
import DXTestFiles
import Logging
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// A gateway that is matchmaker for its own group (`serve_match`).
    @Suite(.serialized) struct ServeMatchFleetTests {
        /// Settings of a gateway that advertises an address that leads nowhere, so that it is found by a matchmaker alone.
        private func settings(servesAt port: UInt16? = nil) -> LocalSettings {
            LocalSettings(
                listen: HostAddress(host: "127.0.0.1", port: 0), advertise: [HostAddress(host: "127.0.0.1", port: 9)],
                serveMatch: port.map { LocalSettings.ServeMatch(listen: HostAddress(host: "127.0.0.1", port: $0)) })
        }

        /// A group whose `hq` serves.
        private func fleet() async throws -> Fleet {
            let fleet = try await Fleet(settings: settings())
            try await fleet.stop("hq")
            try await fleet.start("hq", settings: settings(servesAt: 0))
            return fleet
        }

        private func service(_ fleet: Fleet) async throws -> MatchServiceStatus {
            try #require(try await fleet["hq"].status().serveMatch)
        }

        private func isRegistered(_ gateway: Gateway) async throws -> Bool {
            try await gateway.status().match?.matchmakers.map(\.state) == [.registered]
        }

        @Test func aGroupFindsItselfByItsOwnMember() async throws {
            let fleet = try await fleet()
            let before = try await service(fleet)
            #expect(!before.isListed && before.registrations == 0)
            let changed = try await fleet["hq"].changeMatch(MatchChange(add: ["self"]))
            let server = try #require(before.server)
            #expect(changed.servers == [server] && server.hasSuffix("#" + before.pin) && changed.madeKey)
            try await Polling.wait(until: "hq to be registered at itself") { try await isRegistered(fleet["hq"]) }
            // Joins by what the token says of the matchmaker: the address in it leads nowhere.
            let token = try await fleet.token()
            try await Polling.wait(until: "hq to have edge-1 admitted") { try await service(fleet).guests == 1 }
            try await fleet.join("edge-1", token: token)
            try await fleet.start("edge-1")
            try await Polling.wait(until: "edge-1 to be registered") { try await isRegistered(fleet["edge-1"]) }
            try await Polling.wait(until: "both to be connected") {
                try await fleet["hq"].status().peers.map(\.state) == [.connected]
            }
            let after = try await service(fleet)
            #expect(after.isListed && after.server == server && after.registrations >= 2 && after.introductions >= 1)
            try await fleet.stop()
        }

        @Test func aNewMatchKeyIsFollowed() async throws {
            let fleet = try await fleet()
            _ = try await fleet["hq"].changeMatch(MatchChange(add: ["self"]))
            try await fleet.add("edge-1")
            try await Polling.wait(until: "both to be registered") {
                guard try await isRegistered(fleet["hq"]) else { return false }
                return try await isRegistered(fleet["edge-1"])
            }
            let old = try #require(try await fleet["hq"].matchConfiguration().key)
            let new = try #require(try await fleet["hq"].changeMatch(MatchChange(newKey: true)).key)
            #expect(new != old)
            try await Polling.wait(until: "both to be registered under the new key") {
                let status = try await fleet["edge-1"].status()
                return try await fleet["edge-1"].matchConfiguration().key == new
                    && status.match?.matchmakers.map(\.members) == [2]
            }
            // Nobody is left of the old one: two members, each once.
            try await Polling.wait(until: "what was registered under the old key to be gone") {
                try await service(fleet).registrations <= 3
            }
            try await fleet.stop()
        }

        @Test func aStrangerHearsNothing() async throws {
            let fleet = try await fleet()
            let request = STUNMessage(kind: .request, transaction: TransactionID(high: 1, low: 2))
            let stun = [UInt8](capacity: 200) { request.write(to: &$0) }
            let noise = (0..<200).map { [UInt8](repeating: UInt8($0), count: 1 + $0 * 7) }
            let stranger = try UDPSocket()
            defer { stranger.close() }
            // A matchmaker for everybody answers the same, and so would be heard.
            let other = try await LoopbackMatchmaker(serving: [])
            stranger.send(stun, to: Int(try MatchmakerAddress(other.address).address.port))
            try await Polling.wait(for: "the answer of a matchmaker for everybody") { stranger.receiveNow() }
            for address in try await service(fleet).listen {
                let port = Int(try HostAddress(address).port)
                for datagram in [stun] + noise { stranger.send(datagram, to: port) }
            }
            try await Polling.wait(until: "the gateway to have heard it all") {
                try await service(fleet).strangers == 2 * UInt64(noise.count + 1)
            }
            #expect(stranger.receiveNow() == nil)
            try await other.stop()
            try await fleet.stop()
        }

        @Test func thePinStaysAndThePortIsFreed() async throws {
            let fleet = try await fleet()
            let first = try await service(fleet)
            let port = try HostAddress(first.listen[0]).port
            try await fleet.stop("hq")
            try await fleet.start("hq", settings: settings(servesAt: port))
            let second = try await service(fleet)
            #expect(second.pin == first.pin && second.listen[0] == first.listen[0])
            try await fleet.stop()
        }

        @Test func aPortInUseIsAnError() async throws {
            let fleet = try await fleet()
            let holder = try UDPSocket()
            defer { holder.close() }
            try await fleet.stop("hq")
            let error = await #expect(throws: GatewayError.self) {
                try await fleet.start("hq", settings: settings(servesAt: UInt16(holder.port)))
            }
            guard case .listen(let text) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(text.hasPrefix("serve_match: ") && text.contains("\(holder.port)") && text.contains("in use"))
            // All that was opened before is free again.
            _ = try? await fleet.stop("hq")
            try await fleet.start("hq")
            try await fleet.stop()
        }

        @Test func whoIsNoAdminIsToldWhatAnAdminAdds() async throws {
            let fleet = try await fleet()
            _ = try await fleet["hq"].changeMatch(MatchChange(add: ["self"]))
            let token = try await fleet.token()
            try await fleet.join("edge-1", token: token)
            try await fleet.start("edge-1", settings: settings(servesAt: 0))
            try await Polling.wait(until: "edge-1 to know that it is a member") {
                try await fleet["edge-1"].members().contains { $0.thisGateway }
            }
            let server = try #require(try await fleet["edge-1"].status().serveMatch?.server)
            let refusal = await GroupError.refusal {
                _ = try await fleet["edge-1"].changeMatch(MatchChange(add: ["self"]))
            }
            #expect(refusal?.code == .notAdmin && refusal?.hint == "do it on one: dxgateway config match add \(server)")
            #expect(try await fleet["hq"].changeMatch(MatchChange(add: [server])).servers.count == 2)
            try await fleet.stop()
        }

        @Test func selfIsOneMatchmakerWhereverItIs() async throws {
            let fleet = try await fleet()
            let pin = try await service(fleet).pin
            _ = try await fleet["hq"].changeMatch(MatchChange(add: ["self"]))
            let moved = try await fleet["hq"].changeMatch(MatchChange(add: ["cloud.example:3500#self"]))
            #expect(moved.servers == ["cloud.example:3500#\(pin)"])
            // Its own registration asks no name server.
            try await Polling.wait(until: "hq to be registered at itself") { try await isRegistered(fleet["hq"]) }
            #expect(try await fleet["hq"].changeMatch(MatchChange(remove: ["self"])).servers.isEmpty)
            let wrong = await GroupError.refusal {
                _ = try await fleet["hq"].changeMatch(MatchChange(add: ["cloud.example:port#self"]))
            }
            #expect(wrong?.code == .badRequest)
            try await fleet.stop("hq")
            try await fleet.start("hq")
            let refusal = await GroupError.refusal {
                _ = try await fleet["hq"].changeMatch(MatchChange(add: ["self"]))
            }
            #expect(refusal?.code == .conflict && refusal?.hint.contains("serve_match: true") == true)
            try await fleet.stop()
        }
    }
}
