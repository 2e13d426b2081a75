import DXStream
import DXWire
import Logging

/// What the gateway does at its limits of memory and of file descriptors (`docs/architecture.md` §8).
extension GatewayCore {
    /// Bytes of tunnel data that this event loop holds: what its channels wait to send, to have acknowledged and to have read, and
    /// what its connections hold on the way to and from their applications.
    func measureHeldBytes() -> Int {
        peers.reduce(0) { sum, peer in peer.channels.reduce(sum) { $0 &+ $1.measureHeldBytes() } }
    }

    /// Looks how much is held, and has windows fit. From figures that are there: no byte is counted on its way.
    func measureMemory(now: Instant) {
        let held = measureHeldBytes()
        let used = share.memory.add(held - memory.told)
        memory.told = held
        let before = memory.budget.level
        if memory.budget.update(used: used) { tellMemory(before: before) }
        memory.nextLook = now + MemoryWatch.pause
        noteMemoryLook()
        fitWindows(now: now)
    }

    /// While memory is short it is looked at again by itself: what the kernel takes from the write queues of connections makes no turn.
    func noteMemoryLook() { if memory.isShort { noteDeadline(memory.nextLook) } }

    private func fitWindows(now: Instant) {
        let steps = memory.budget.windowSteps
        // While it is short they follow what is held, too.
        guard steps < MemoryBudget.steps || steps != memory.windowSteps else { return }
        memory.windowSteps = steps
        for channel in peers.flatMap(\.channels)
        where channel.transport.setMemoryPart(steps, of: MemoryBudget.steps, now: now) { mark(channel) }
    }

    private func tellMemory(before: MemoryBudget.Level) {
        let level = memory.budget.level
        let metadata: KeyValuePairs = ["held": "\(memory.budget.used)", "limit": "\(memory.budget.limit)"]
        if level == .full {
            complain("memory is full: new connections are refused", metadata, limit: &memory.complaints)
        } else if before == .full {
            complain("memory is not full any more: new connections are taken", metadata, limit: &memory.complaints)
        }
    }

    /// Why no new connection or flow is taken now; nil when it is.
    ///
    /// - Parameters:
    ///   - usage: the tunnel's.
    ///   - channel: over which it would go; nil when that is not known yet.
    ///   - needsDescriptor: whether it takes a socket of its own.
    func refusal(
        of usage: TunnelUsage, over channel: PeerChannel?, needsDescriptor: Bool
    ) -> ConnectionRefusal? {
        // First: at the limit of connections a flow gives its place to another one, for nothing when there is no memory for that.
        if let refusal = memoryRefusal(over: channel) { return refusal }
        guard usage.hasRoom else { return .connections }
        guard needsDescriptor else { return nil }
        switch descriptors.ask() {
        case .room(let isBack):
            if isBack { logger.notice("there are file descriptors again: new connections are taken") }
            return nil
        case .none(let isNew):
            if isNew {
                warn("no file descriptors are left: new connections are refused", ["limit": "\(descriptors.limit)"])
            }
            return .descriptors
        }
    }

    /// Why there is no memory for a new connection or flow; nil when there is.
    ///
    /// - Parameter channel: over which it would go; nil when that is not known yet: then only whether there is any.
    func memoryRefusal(over channel: PeerChannel?) -> ConnectionRefusal? {
        let now = currentTime()
        if now >= memory.nextLook { measureMemory(now: now) }
        guard memory.isShort else { return nil }
        return switch memory.budget.refusal(peerHolds: channel?.heldByteCount ?? 0) {
        case .full: .memory
        case .peer: .peerMemory(channel?.peer.name ?? "")
        case nil: nil
        }
    }

    /// A connection or flow was refused for that.
    func count(_ refusal: ConnectionRefusal) {
        switch refusal {
        case .connections: break
        case .memory, .peerMemory: memory.refused &+= 1
        case .descriptors: descriptors.refused &+= 1
        }
    }

    /// The system had no descriptor for a connection that waits to be accepted: the listener pauses.
    func onAcceptPaused(_ reason: String, tunnel: String) {
        descriptors.acceptPauses &+= 1
        complain(
            "listener pauses for a second", ["tunnel": tunnel, "reason": reason], limit: &memory.complaints)
    }

    /// How the memory is, for status. How much the process has is the gateway's to say, once for all its event loops.
    func memoryStatus() -> MemoryStatus {
        let now = currentTime()
        if now >= memory.nextLook { measureMemory(now: now) }
        var status = MemoryStatus(
            usedBytes: measureHeldBytes(), limitBytes: memory.budget.limit)
        status.state = MemoryStatus.State(memory.budget.level)
        status.refusedConnections = memory.refused
        return status
    }

    /// How the file descriptors are, for status. How many the process has open is the gateway's to say.
    func descriptorStatus() -> DescriptorStatus {
        let limit = descriptors.limit
        return DescriptorStatus(
            used: nil, limit: limit, reserved: DescriptorBudget.reserve(of: limit),
            refusedConnections: descriptors.refused, acceptPauses: descriptors.acceptPauses)
    }
}

extension PeerChannel {
    /// Bytes of tunnel data that this gateway holds of the channel; keeps the figure in `heldByteCount`.
    func measureHeldBytes() -> Int {
        var count = transport.heldByteCount &+ flows.assembler.heldByteCount &+ flows.heldByteCount
        for (id, owner) in owners {
            switch owner {
            case .tcp(let bridge): count &+= bridge.measureHeldBytes()
            case .program(let bridge): count &+= bridge.measureHeldBytes()
            case .opening(let opening): count &+= opening.measureHeldBytes(for: id, on: self)
            case .connecting(_, let bridge): count &+= bridge?.measureHeldBytes() ?? 0
            // Of a head no more is kept than it may have.
            case .beginning, .group: break
            }
        }
        heldByteCount = count
        return count
    }
}
