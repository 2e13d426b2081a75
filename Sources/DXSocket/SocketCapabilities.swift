public import DXWire

/// What the kernel granted for one socket.
public struct SocketCapabilities: Hashable, Sendable {
    /// The address and port it is bound to.
    public var local: Endpoint
    /// GSO: runs of datagrams go out in one piece. Turns false for good when the kernel or a device refuses one.
    public var segmentationOffload: Bool
    /// GRO: the kernel hands in runs of datagrams as one.
    public var receiveOffload: Bool
    /// ECN marks of received datagrams are reported.
    public var ecn: Bool
    /// The local address of received datagrams is reported, and can be chosen when sending.
    public var packetInfo: Bool
    /// The kernel gives each datagram to the event loop that its first byte names (`SocketConfiguration.sharingLoopCount`).
    public var steering: Bool
    /// The kernel's receive buffer in bytes, as getsockopt tells it (bookkeeping included: twice what was asked for).
    public var receiveBufferByteCount: Int
    /// The kernel's send buffer in bytes, as getsockopt tells it.
    public var sendBufferByteCount: Int
}

/// What a `UDPEndpoint` has: a socket per address family, or the reason why not.
public struct EndpointCapabilities: Hashable, Sendable {
    /// The IPv4 socket.
    public var v4: SocketCapabilities?
    /// The IPv6 socket.
    public var v6: SocketCapabilities?
    /// The family that was asked for and is not there, because this kernel or network namespace has none of it.
    public var unavailable: Endpoint.Family?
}
