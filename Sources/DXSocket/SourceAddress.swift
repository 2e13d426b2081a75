internal import CDXSystem
public import DXWire

/// Which address of this host datagrams to a destination leave from.
public enum SourceAddress {
    /// By the routing table as it is now; port 0. nil when there is no route. Nothing is sent.
    public static func towards(_ destination: Endpoint) -> Endpoint? {
        var wanted = unsafe dx_message()
        unsafe wanted.high = destination.high
        unsafe wanted.low = destination.low
        unsafe wanted.scope = destination.scope
        // A port is needed to connect, and says nothing about the route.
        unsafe wanted.port = destination.port == 0 ? 9 : destination.port
        unsafe wanted.is_v6 = destination.family == .v6
        var source = unsafe dx_message()
        guard unsafe dx_udp_source(&wanted, &source) == 0 else { return nil }
        return switch destination.family {
        case .v4: unsafe Endpoint(v4: UInt32(truncatingIfNeeded: source.low), port: 0)
        case .v6: unsafe Endpoint(v6High: source.high, low: source.low, scope: source.scope, port: 0)
        }
    }
}
