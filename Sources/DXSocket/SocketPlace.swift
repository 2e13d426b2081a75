internal import DXWire

/// Which socket of a port: of a family's stripes (`SocketConfiguration.stripeCount`) the first one sends.
struct SocketPlace: Hashable {
    var family: Endpoint.Family
    var stripe = 0
}
