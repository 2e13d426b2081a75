import DXWire
import NIOCore

/// One connection or flow that goes on, as the audit record will tell of it; a rehearsal asks it as well. Bound to its event loop.
final class AuditTicket {
    private var record: AuditRecord
    private let core: GatewayCore
    private let startedAt: Instant
    private var isOver = false

    /// Begins now. Nil where nothing is kept and nothing rehearsed.
    init?(
        _ core: GatewayCore, tunnel: String, role: TunnelStatus.Role,
        networkProtocol: GatewayConfiguration.NetworkProtocol = .tcp, peer: String?, client: String? = nil,
        target: String? = nil
    ) {
        guard core.audit != nil || core.rehearsal != nil else { return nil }
        self.core = core
        startedAt = core.currentTime()
        record = AuditRecord(
            time: .now(), tunnel: tunnel, role: role, networkProtocol: networkProtocol, peer: peer, client: client,
            target: target, end: .closed)
    }

    /// Whether the application beside this gateway is the client.
    var isOrigin: Bool { record.role == .origin }

    /// How it ended; nil while it goes on.
    var ending: AuditRecord.End? { isOver ? record.end : nil }

    /// Whether it ended in good order, or something came for the application beside this gateway.
    var isAnswered: Bool {
        ending == .closed || (isOrigin ? record.bytesToClient : record.bytesToTarget) > 0
    }

    /// Of several destinations this one has it.
    func settle(with peer: String) { record.peer = peer }

    /// Bytes came from the application beside this gateway.
    func countFromClient(_ count: Int) {
        if isOrigin { record.bytesToTarget &+= UInt64(count) } else { record.bytesToClient &+= UInt64(count) }
    }

    /// Bytes went to it.
    func countToClient(_ count: Int) {
        if isOrigin { record.bytesToClient &+= UInt64(count) } else { record.bytesToTarget &+= UInt64(count) }
    }

    /// The other gateway gave the stream up for a reason of its own; nothing where that is its application's.
    func end(saidBy code: StreamCode) {
        switch code {
        case .refused, .unreachable, .limit: end(.refused, "by the other gateway: \(code)")
        case .shutdown: end(.tunnelChanged, "by the other gateway")
        default: break
        }
    }

    /// It ended; what comes later does not count.
    func end(_ end: AuditRecord.End, _ reason: String? = nil) {
        guard !isOver else { return }
        isOver = true
        record.end = core.isStopping && end != .closed ? .gatewayStopping : end
        record.reason = reason
        record.time = .now()
        let now = core.currentTime()
        record.durationMilliseconds = UInt64(max(0, (now - startedAt).milliseconds))
        core.audit?.record(record, now: now, on: core.eventLoop)
    }
}

@available(*, unavailable)
extension AuditTicket: Sendable {}

extension GatewayCore {
    /// A connection or flow was refused.
    func auditRefusal(
        tunnel: String, role: TunnelStatus.Role, networkProtocol: GatewayConfiguration.NetworkProtocol = .tcp,
        peer: String? = nil, client: String? = nil, target: String? = nil, reason: String
    ) {
        guard let audit else { return }
        let record = AuditRecord(
            time: .now(), tunnel: tunnel, role: role, networkProtocol: networkProtocol, peer: peer, client: client,
            target: target, end: .refused, reason: reason)
        audit.record(record, now: currentTime(), on: eventLoop)
    }
}
