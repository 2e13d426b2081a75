import DXMatch
import DXWire

/// What datagrams of the simulated networks say: the values that codecs would make bytes of.
enum SimulatedMessage {
    /// A Binding request.
    case request(number: Int, change: NATProbe.Change)
    /// Its answer.
    case answer(number: Int, observed: Endpoint)
    /// A CHECK, which opens at the gateway that it is for and at no other.
    case check(CheckContent, from: GatewayID, to: GatewayID)
    /// A CHECKED.
    case checked(CheckedContent, from: GatewayID, to: GatewayID)
}
