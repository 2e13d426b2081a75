import DXWire
import NIOCore
import Synchronization

/// Another event loop of the same gateway, as one of them sees it: takes datagrams that came to the wrong socket.
///
/// That is what veiled messages do, which begin with a random byte, so it is rare and small. At most `maximumWaiting`
/// datagrams wait for a loop; more are dropped, and the sender tries again.
final class LoopNeighbour: Sendable {
    private let core: NIOLoopBound<GatewayCore>
    private let gate: LoopGate
    /// Datagrams that wait for the loop.
    private let waiting = Atomic<Int>(0)

    /// Some batches, 400 kB of first messages: a loop that is later than that is too busy for new sessions anyway.
    static let maximumWaiting = 256

    /// A datagram on the way to another loop.
    struct Datagram: Sendable {
        var bytes: [UInt8]
        var source: Endpoint
        var local: Endpoint?
        var ecn: ECNMark
    }

    init(_ core: NIOLoopBound<GatewayCore>, gate: LoopGate) {
        self.core = core
        self.gate = gate
    }

    /// Gives the loop a datagram; false when too many wait, or the loop has ended.
    func handOver(_ datagram: Datagram) -> Bool {
        guard waiting.add(1, ordering: .relaxed).newValue <= Self.maximumWaiting else {
            waiting.subtract(1, ordering: .relaxed)
            return false
        }
        return gate.execute { [self] in
            waiting.subtract(1, ordering: .relaxed)
            core.value.receiveHandedOver(datagram)
        }
    }
}
