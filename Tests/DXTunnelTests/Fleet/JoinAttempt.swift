import DXSecure
import DXWire
import NIOCore
import NIOPosix

@testable import DXTunnel

/// A gateway that joins, without a state directory: by one key, as often as is asked.
struct JoinAttempt {
    private let token: InviteToken
    private let identity: Identity
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// A gateway with a token.
    init(_ token: InviteToken) throws {
        self.token = token
        identity = try Identity.generate()
    }

    /// Asks at these addresses, and at one that is found when it has begun.
    func grant(at addresses: [Endpoint], finding place: Endpoint) async throws -> JoinGrant {
        let loop = group.next()
        let (token, identity) = (token, identity)
        return try await loop.flatSubmit {
            do {
                let client = try JoinClient(token, identity, name: nil, at: LoopGate(loop))
                let grant = client.run(at: addresses, patience: .seconds(60))
                client.found(place, from: nil, now: client.currentTime())
                return grant
            } catch { return loop.makeFailedFuture(error) }
        }.get()
    }

    /// Lets the thread go.
    func close() async throws { try await group.shutdownGracefully() }
}
