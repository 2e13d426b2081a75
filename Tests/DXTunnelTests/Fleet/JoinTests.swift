import DXSecure
import DXTestFiles
import Foundation
import Logging
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// What a token is good for, and what it is not.
    @Suite(.serialized) struct JoinTests {
        @Test func aTokenLetsOneGatewayIn() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token()
            #expect(token.utf8.count <= InviteToken.longestText)
            try await fleet.join("edge-1", token: token)
            #expect(
                await GroupError.refusal { try await fleet.join("edge-2", token: token) }?.message
                    == "another gateway has used this token")
            let used = try await fleet["hq"].invitations()
            #expect(used.count == 1 && used[0].usedBy != nil && used[0].token == nil)
            try await fleet.stop()
        }

        /// The answer to a join may be lost: the same gateway asks again and is the same member.
        @Test func theSameGatewayMayAskAgain() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token()
            let first = try await fleet.join("edge-1", token: token)
            // Its disk lost the group, not the key.
            try FileManager.default.removeItem(atPath: fleet.state("edge-1") + "/group.state")
            let second = try await fleet.join("edge-1", token: token)
            #expect(first.groupID == second.groupID)
            #expect(try await fleet["hq"].members().count == 2)
            try await fleet.stop()
        }

        /// Two at once: exactly one gets in.
        @Test func ofTwoAtOnceOneWins() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token()
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for name in ["a", "b", "c", "d"] {
                    group.addTask { (try? await fleet.join(name, token: token)) != nil }
                }
                return await group.reduce(into: [Bool]()) { $0.append($1) }
            }
            #expect(outcomes.filter { $0 }.count == 1)
            #expect(try await fleet["hq"].members().count == 2)
            try await fleet.stop()
        }

        @Test func aRevokedTokenIsNone() async throws {
            let fleet = try await Fleet()
            let (token, _) = (try await fleet.token(), try await fleet.token())
            let id = try InviteToken(token).secret.id
            #expect(try await fleet["hq"].revokeInvitation(String(id, radix: 16)) == 1)
            #expect(await GroupError.refusal { try await fleet.join("edge-1", token: token) }?.code == .notFound)
            // With the last one the veil is gone, and nobody answers.
            #expect(try await fleet["hq"].revokeInvitation(nil) == 1)
            let silence = await GroupError.refusal {
                try await fleet.join("edge-1", token: token, patience: .seconds(1))
            }
            #expect(silence?.message.contains("does not answer") == true)
            #expect(try await fleet["hq"].members().count == 1)
            try await fleet.stop()
        }

        /// An inviter whose addresses lead nowhere is found while the join goes on.
        @Test func anAddressThatIsFoundMeanwhileIsAsked() async throws {
            let fleet = try await Fleet()
            var token = try InviteToken(try await fleet.token())
            let place = try #require(token.addresses.first?.endpoint)
            // Nobody listens at the discard port.
            token.addresses = []
            let nowhere = try #require(HostAddress(host: "127.0.0.1", port: 9).endpoint)
            let client = try JoinAttempt(token)
            let first = try await client.grant(at: [nowhere], finding: place)
            #expect(try await client.grant(at: [nowhere], finding: place).member == first.member)
            #expect(try await fleet["hq"].members().count == 2)
            try await client.close()
            try await fleet.stop()
        }

        @Test func aForgedTokenIsNone() async throws {
            let fleet = try await Fleet()
            var forged = try InviteToken(try await fleet.token())
            forged.secret = TokenSecret()
            let text = forged.text
            #expect(await GroupError.refusal { try await fleet.join("edge-1", token: text) }?.code == .notFound)
            #expect(try await fleet["hq"].members().count == 1)
            try await fleet.stop()
        }

        @Test func aTokenForAnotherKeyIsRefused() async throws {
            let fleet = try await Fleet()
            let key = try Identity.generate()
            let token = try await fleet.token(InviteRequest(gateway: key.gatewayID.text))
            #expect(
                await GroupError.refusal { try await fleet.join("edge-1", token: token) }?.message
                    == "the token is meant for another gateway")
            try FileManager.default.createDirectory(
                atPath: fleet.state("edge-2"), withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            try key.write(to: fleet.state("edge-2") + "/identity.key")
            try await fleet.join("edge-2", token: token)
            #expect(try await fleet["hq"].members().count == 2)
            try await fleet.stop()
        }

        @Test func anExpiredTokenIsNone() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token(InviteRequest(ttlSeconds: 1))
            _ = try await fleet.token()
            try await Polling.wait(until: "the token to expire") { try await fleet["hq"].invitations().count == 1 }
            #expect(await GroupError.refusal { try await fleet.join("edge-1", token: token) }?.code == .notFound)
            try await fleet.stop()
        }

        /// Invitations and their use outlive a restart.
        @Test func tokensOutliveARestart() async throws {
            let fleet = try await Fleet()
            let (first, second) = (try await fleet.token(), try await fleet.token())
            try await fleet.join("edge-1", token: first)
            try await fleet.stop("hq")
            try await fleet.start("hq")
            try await fleet.join("edge-2", token: second)
            #expect(await GroupError.refusal { try await fleet.join("edge-3", token: first) }?.code == .conflict)
            try await fleet.stop()
        }

        @Test func aTokenThatWasNotCopiedWholeIsNamedSo() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token()
            for text in [String(token.dropLast()), String(token.dropLast(3)) + "AAA", "dxjoin9:abc", "hello", ""] {
                await #expect(throws: StateProblem.self) { try await fleet.join("edge-1", token: text) }
            }
            // A line break in the middle does no harm.
            let half = token.index(token.startIndex, offsetBy: 80)
            try await fleet.join("edge-1", token: " " + token[..<half] + "\n  " + token[half...] + "\n")
            try await fleet.stop()
        }

        /// Whoever was removed does not come back by the token that once let it in.
        @Test func aRemovedMembersTokenIsNoWayBack() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token()
            try await fleet.join("edge-1", token: token)
            _ = try await fleet["hq"].removeMember("edge-1")
            try FileManager.default.removeItem(atPath: fleet.state("edge-1") + "/group.state")
            let refused = await GroupError.refusal { try await fleet.join("edge-1", token: token) }
            #expect(refused?.message == "this gateway was removed from the group")
            #expect(try await fleet["hq"].members().count == 1)
            // A new invitation is.
            try await fleet.join("edge-1", token: try await fleet.token())
            #expect(try await fleet["hq"].members().count == 2)
            try await fleet.stop()
        }

        /// A factory: many at once, more than there is room for at a time.
        @Test func manyJoinAtOnce() async throws {
            let fleet = try await Fleet()
            let tokens = try await fleet["hq"].invite(InviteRequest(labels: ["kind=plc"], count: 60)).compactMap(
                \.token)
            let joined = await withTaskGroup(of: Bool.self) { group in
                for (number, token) in tokens.enumerated() {
                    group.addTask { (try? await fleet.join("e\(number)", token: token, patience: .seconds(60))) != nil }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(joined == 60)
            #expect(try await fleet["hq"].members().count == 61)
            try await fleet.stop()
        }

        /// A device with a token and nothing else: it asks until somebody answers, and the token is gone then.
        @Test func aTokenInAFileIsUsedOnce() async throws {
            let fleet = try await Fleet()
            let directory = TemporaryDirectory()
            let token = try await fleet.token(InviteRequest(name: "edge-1"))
            let path = directory.write("  \(token)\n", to: "token")
            try await fleet.stop("hq")
            let boot = FirstBoot(tokenFile: path, stateDirectory: fleet.state("edge-1"))
            #expect(boot.hasToken)
            let logger = Logger(label: "boot", factory: { _ in SwiftLogNoOpLogHandler() })
            let joining = Task { try await boot.run(logger: logger) }
            try await fleet.start("hq")
            try await joining.value
            #expect(!boot.hasToken)
            try await fleet.start("edge-1")
            try await fleet.waitUntilAlike()
            #expect(try await fleet["hq"].members().map(\.name) == ["edge-1", "hq"])
            // It ended before it erased it.
            directory.write(token, to: "token")
            try await boot.run(logger: logger)
            #expect(!boot.hasToken)
            // Another one is not ours to erase; one that is refused stays, too.
            let other = try await Fleet()
            directory.write(try await other.token(), to: "token")
            try await boot.run(logger: logger)
            #expect(boot.hasToken)
            directory.write(token, to: "token")
            let late = FirstBoot(tokenFile: path, stateDirectory: fleet.state("late"))
            #expect(await GroupError.refusal { try await late.run(logger: logger) }?.code == .conflict)
            directory.write("nonsense", to: "token")
            await #expect(throws: StateProblem.self) { try await late.run(logger: logger) }
            #expect(late.hasToken)
            try await fleet.stop()
            try await other.stop()
        }
    }
}
