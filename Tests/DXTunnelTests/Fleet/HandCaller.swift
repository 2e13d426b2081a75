import DXSecure
import DXSocket
import DXWire

@testable import DXTunnel

/// Somebody with a gateway's keys and some of its group's secrets who calls by hand, over a plain socket: so each byte of an
/// answer is seen.
final class HandCaller {
    let socket: UDPSocket
    private let endpoint: SecureEndpoint

    /// Calls as the gateway whose state that is, under one secret.
    ///
    /// - Parameter socket: where it calls from; others may call from there, too.
    init(stateDirectory: String, epoch: EpochSecret, peers: Set<GatewayID>, socket: UDPSocket) throws {
        self.socket = socket
        let state = StateDirectory(reading: stateDirectory)
        endpoint = try SecureEndpoint(
            identity: try state.identity(), veil: [epoch.secret], knownPeers: peers, shard: 0, seed: 1)
        let group = GroupID(rootKey: try state.group().rootKey)
        try endpoint.setVeil(
            [VeilEpoch(number: epoch.number, secret: epoch.secret)], older: [], group: group.bytes)
    }

    /// Sends the first message of a call, once.
    func call(_ peer: GatewayID, at port: Int) throws {
        let now = MonotonicClock.now()
        let session = try endpoint.connect(to: peer, at: Endpoint(v4: 0x7f00_0001, port: UInt16(port)), now: now)
        var datagram = [UInt8](repeating: 0, count: 2_048)
        var count = 0
        let isMade = unsafe datagram.withUnsafeMutableBytes { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            let remote = endpoint.pollTransmit(into: &output, now: now)?.remote
            count = unsafe output.finalize(for: memory)
            return remote != nil
        }
        session.close()
        precondition(isMade, "a call begins with a message")
        socket.send(Array(datagram.prefix(count)), to: port)
    }
}
