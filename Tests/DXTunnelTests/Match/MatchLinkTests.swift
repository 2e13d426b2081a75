import DXMatch
import DXSecure
import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXTunnel

/// When a matchmaker's name is looked up.
@Suite struct MatchLinkTests {
    private static func link(host: String) throws -> MatchLink {
        let pin = try Identity.generate().gatewayID
        let address = try #require(MatchmakerAddress(address: HostAddress(host: host, port: 3_478), pin: pin))
        let secret = VeilSecret.generate()
        let key = try Identity.generate()
        return try MatchLink(
            address, purpose: .group(epoch: secret.name, key: key.publicKey), matchKey: key,
            groupTag: secret.groupTag(pin: pin), blobSecret: secret, identity: .generate(), keepalive: .seconds(25),
            kept: nil, seed: 1, now: .zero)
    }

    /// The gateway's timer is armed for it: a time that has passed and stays so would have it fire without end.
    @Test func aLookUpUnderWayIsNotDue() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        try await loop.submit {
            let link = try Self.link(host: "match.invalid")
            #expect(link.nextLookUp == .zero)
            link.resolveIfDue(at: LoopGate(loop), now: .zero) { _ in }
            #expect(link.nextLookUp == .distantFuture)
        }.get()
    }

    @Test func whatIsGivenUpIsNotLookedUp() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        try await loop.submit {
            let link = try Self.link(host: "127.0.0.1")
            var changes = 0
            link.resolveIfDue(at: LoopGate(loop), now: .zero) { _ in changes += 1 }
            // An address needs no look-up: it is there at once, and comes again in two minutes.
            #expect(changes == 1 && link.addresses.count == 1 && link.nextLookUp > .zero)
            link.endsAt = .zero + .seconds(600)
            #expect(link.nextLookUp == .distantFuture)
        }.get()
    }
}
