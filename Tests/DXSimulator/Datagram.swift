public import DXWire
public import NIOCore

/// One UDP datagram on a simulated network.
public struct Datagram: Sendable {
    /// The UDP payload.
    public var bytes: ByteBuffer
    /// The two ECN bits of the IP header.
    public var ecn: ECNMark
    /// Where it was sent from: the number of a simulated address and port.
    public var source: UInt32
    /// Where it goes to.
    public var destination: UInt32
    /// Its number in the simulation, by which a flow log and a failure can name it; copies share it.
    public var number: UInt64

    /// The IPv4 and UDP headers, which take room on a link too.
    public static let headerByteCount = 28

    /// A datagram with these fields.
    public init(bytes: ByteBuffer, ecn: ECNMark, source: UInt32, destination: UInt32, number: UInt64) {
        self.bytes = bytes
        self.ecn = ecn
        self.source = source
        self.destination = destination
        self.number = number
    }

    /// The bytes it takes on a link.
    public var linkByteCount: Int { bytes.readableBytes + Self.headerByteCount }
}
