public import DXWire
internal import NIOCore

/// Datagrams longer than the path's MTU vanish without a word, as where ICMP is filtered. The MTU may change in time.
public final class MTULimit: Node {
    private let limits: [(from: Instant, payloadByteCount: Int)]
    /// How many datagrams were too long.
    public private(set) var dropCount = 0

    /// Passes UDP payloads of at most `payloadByteCount` bytes.
    public init(payloadByteCount: Int) { limits = [(.zero, payloadByteCount)] }

    /// Passes what the last limit whose time has come allows; before the first, anything.
    public init(_ limits: [(from: Instant, payloadByteCount: Int)]) {
        self.limits = limits.sorted { $0.from < $1.from }
    }

    /// Drops the datagram when it is too long.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        let limit = limits.last { $0.from <= now }?.payloadByteCount ?? .max
        if datagram.bytes.readableBytes > limit { dropCount += 1 } else { output.append(datagram) }
    }
}
