import Testing

/// Two real gateways on loopback, with real applications' sockets beside them. One test at a time: they share two cores and
/// the process's file descriptors, and a machine under load makes waits long.
@Suite(.serialized) struct GatewayTests {}

/// Gateways in groups. One test at a time, too, but beside those of `GatewayTests`: both wait most of their time.
@Suite(.serialized) struct GroupedGatewayTests {}
