public import DXWire

/// How one end of a channel behaves. Everything has a default that is right for most.
public struct ChannelConfiguration: Sendable {
    /// The congestion controller of every path. `automatic` uses CUBIC, and BBR where packets are lost by chance or stand
    /// in a long queue.
    public var congestion: CongestionAlgorithm = .automatic
    /// Whether packets are marked ECT(0) while the path proves to carry the marks.
    public var usesECN = true
    /// The most stream data that the peer may have on the way to us, in bytes: a hard bound of what receiving can cost.
    public var receiveMemory: UInt64 = 16 << 20
    /// The first window of a stream, in bytes. 128 KiB fills a LAN and takes 10 Mbit/s over 100 ms before it grows.
    public var initialStreamWindow: UInt64 = 128 << 10
    /// The largest window of a stream, in bytes: 1 Gbit/s over 64 ms takes 8 MiB.
    public var maximumStreamWindow: UInt64 = 8 << 20
    /// The most bytes that wait for acknowledgement, over all streams. Writers are told to wait beyond it.
    public var sendMemory = 16 << 20
    /// How many streams the peer may have open at a time.
    public var maximumStreams: UInt64 = 16_384
    /// How long nothing may arrive before the channel is given up; nil is for ever.
    public var idleTimeout: Interval? = .seconds(60)
    /// After this long without sending, a PING goes out: keeps NAT bindings and notices dead peers; nil is never. 20 s is
    /// below the 30 s for which the stingiest NATs in use keep a binding.
    public var keepalive: Interval? = .seconds(20)
    /// How long an acknowledgement may be held back (RFC 9000 §18.2).
    public var maximumAckDelay: Interval = .milliseconds(25)
    /// The largest UDP payload that is ever tried, in bytes.
    public var maximumDatagram = 65_000
    /// The largest packet that is sent or taken over several datagrams, in bytes, at most 16,384; 0 is none
    /// (`docs/wire-format.md` §2.2). The owner of the channel then cuts what `Transmit` says, and puts together.
    public var maximumPacket = 0
    /// What is done with several paths. The owner of the channel chooses another mode than `single` only where the peer keeps
    /// several paths too.
    public var multipath = MultipathMode.single
    /// The largest data of an unreliable message, in bytes.
    public var maximumMessage: UInt64 = 65_000

    /// All defaults.
    public init() {}

    /// What the peer is told (`docs/wire-format.md` §4).
    public var parameters: TransportParameters {
        var parameters = TransportParameters()
        parameters.initialChannelWindow = receiveMemory
        parameters.initialStreamWindow = initialStreamWindow
        parameters.initialStreamCount = maximumStreams
        parameters.idleTimeout = idleTimeout
        parameters.largestDatagram = UInt64(maximumDatagram)
        parameters.maximumAckDelay = maximumAckDelay
        parameters.largestMessage = maximumMessage
        parameters.largestPacket = UInt64(max(0, min(maximumPacket, 16_384)))
        return parameters
    }
}
