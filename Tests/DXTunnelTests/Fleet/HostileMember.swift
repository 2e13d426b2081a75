import DXSecure
import DXStream
import NIOCore

@testable import DXTunnel

/// A member of a fleet whose program lies to another one. It is a real gateway, so that it gets through handshakes as members
/// do; its part in the group is taken out, and a test sends over its channel what it likes.
struct HostileMember: Sendable {
    let gateway: Gateway
    let victim: String
    let identity: Identity
    let group: GroupID

    /// Makes the gateway of that name hostile, and waits until it has a new channel to the victim, on which it has said nothing.
    init(_ name: String, to victim: String, in fleet: Fleet) async throws {
        gateway = fleet[name]
        self.victim = victim
        (identity, group) = try await gateway.onLoop { core in
            guard let agent = core.group else { preconditionFailure("\(name) is in a group") }
            let own = (agent.identity, agent.group)
            _ = agent.stop()
            core.group = nil
            return own
        }
        try await connectAnew()
    }

    /// Ends the channel, and waits for the next.
    func connectAnew() async throws {
        let victim = victim
        let old = try await gateway.onLoop { core in
            guard let channel = core.peers.first(where: { $0.name == victim })?.channel else { return nil as UInt64? }
            channel.transport.close(.shutdown, reason: "again", now: core.currentTime())
            core.mark(channel)
            return channel.localHalf
        }
        try await waitForChannel(otherThan: old)
    }

    /// Waits until there is a channel, another one than the one of that number.
    func waitForChannel(otherThan old: UInt64?) async throws {
        let victim = victim
        try await Polling.wait(until: "a new channel to \(victim)") {
            try await gateway.onLoop { core in
                guard let link = core.peers.first(where: { $0.name == victim }) else { return false }
                if let channel = link.channel { return channel.localHalf != old }
                link.start(now: core.currentTime())
                return false
            }
        }
    }

    /// Opens a stream to an internal port of the victim's, for bytes as they are.
    func open(_ internalPort: UInt32) async throws -> TunnelStream {
        let victim = victim
        return try await gateway.onLoop { core in
            guard let channel = core.peers.first(where: { $0.name == victim })?.channel else {
                throw GatewayError.notConnected(victim)
            }
            let tunnel = GatewayConfiguration.Tunnel(name: "raw", origins: [], destinations: [])
            let usage = core.share.usage(of: tunnel, limiter: nil)
            var made: ProgramBridge?
            _ = try channel.openStream(internalPort: internalPort, streamClass: .interactive, share: 1) { id in
                let bridge = ProgramBridge(channel: channel, id: id, usage: usage, core: core)
                made = bridge
                return .program(bridge)
            }
            guard let made else { preconditionFailure("opening makes an owner or throws") }
            return TunnelStream(bridge: made, gate: core.gate)
        }
    }

    /// The stream of the group's exchange, on which the victim has said its first word. The victim may first have to find that
    /// its own was refused.
    func openExchange() async throws -> TunnelStream {
        try await Polling.wait(for: "\(victim) to take the exchange") {
            guard let stream = try? await open(GroupStream.internalPort), (try? await stream.read()) != nil else {
                return nil
            }
            return stream
        }
    }

    /// Sends messages of the exchange.
    func send(_ messages: [GroupMessage], on stream: TunnelStream) async throws {
        var bytes = ByteBuffer()
        for message in messages {
            let body = message.encoded
            bytes.writeBytes(TunnelMessageWriter.bytes(capacity: 8) { $0.writeVarInt(UInt64(body.count)) })
            bytes.writeBytes(body)
        }
        try await stream.write(bytes)
    }

    /// Sends a control message.
    func send(_ message: TunnelMessage) async throws {
        let victim = victim
        try await gateway.onLoop { core in
            guard let channel = core.peers.first(where: { $0.name == victim })?.channel else {
                throw GatewayError.notConnected(victim)
            }
            try channel.transport.sendControl(ByteBuffer(bytes: message.encoded), now: core.currentTime())
            core.mark(channel)
        }
    }

    /// A record that it signs, whatever it may say.
    func record(
        _ kind: GroupRecord.Kind, id: [UInt8], revision: UInt64, body: [UInt8] = []
    ) throws -> GroupRecord {
        try GroupRecord(kind, id: id, revision: revision, body: body, signedBy: identity, group: group)
    }
}
