public import DXTunnel

/// An event in a line for people.
public struct EventText: CustomStringConvertible {
    private let record: GatewayEventRecord

    /// The words for `record`.
    public init(_ record: GatewayEventRecord) { self.record = record }

    /// `2027-01-31T12:00:00.000Z  what happened`.
    public var description: String { "\(record.time)  \(words)" }

    /// Without the time.
    var words: String {
        let peer = record.peer ?? "?"
        let tunnel = record.tunnel.map { $0.isEmpty ? "other tunnels" : "tunnel \($0)" } ?? "?"
        let address = record.address.map { " at \($0)" } ?? ""
        let reason = record.reason.map { ": \($0)" } ?? ""
        switch record.event {
        case .peerUp: return "\(peer) is connected\(address)" + (record.path.map { " (\($0.rawValue))" } ?? "")
        case .peerDown: return "\(peer) is disconnected\(reason)"
        case .peerSilent: return "\(peer) does not answer: new connections go elsewhere"
        case .peerHeard: return "\(peer) answers again"
        case .peerMoved: return "\(peer) moved from \(record.from ?? "?") to \(record.address ?? "?")"
        case .peerForwarded: return "\(peer) is reached through \(record.through ?? "another member")"
        case .pathUp: return "the path to \(peer)\(address) answers again"
        case .pathDown: return "the path to \(peer)\(address) does not answer"
        case .targetHealth: return "\(tunnel): the target is \(record.state ?? "unknown")\(reason)"
        case .destinationHealth:
            return
                "\(tunnel): \(record.destination ?? "?") is \(record.state == "up" ? "of use" : "of no use")\(reason)"
        case .configurationChanged:
            return "the configuration is another one now" + (record.revision.map { ", revision \($0)" } ?? "")
        case .draining:
            return record.state == "on" ? "draining: new connections go elsewhere" : "not draining any more"
        case .connectionsRefused: return "\(tunnel): \(plural(record.count ?? 0, "connection")) refused\(reason)"
        case .warning:
            let details = (record.details ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return ([record.message ?? "warning"] + details).joined(separator: " ")
        case .lost: return record.count.map { "\($0) events are missing here" } ?? "the gateway was started anew"
        }
    }
}
