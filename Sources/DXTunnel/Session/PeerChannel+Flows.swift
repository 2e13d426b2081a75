import DXStream
import DXWire
import NIOCore

/// Datagrams of UDP tunnels, as messages of the channel (`docs/wire-format.md` §6.13.2).
extension PeerChannel {
    /// Which way a message goes: the flow of its DATAGRAM frame. Those below are forwarding's (`ForwardMessage.Flow`).
    enum FlowDirection: UInt64 {
        /// From an origin to the destination.
        case toTarget = 3
        /// Back.
        case toClient = 4
    }

    /// What there is of flows in a channel.
    struct FlowState {
        /// Datagrams that came in parts and are not whole yet.
        var assembler = FlowAssembler()
        /// The number of the next datagram that leaves in parts.
        var nextID: UInt32 = 0
        /// Bytes of datagrams that wait for their target's name.
        var heldByteCount = 0
        /// Somebody looks after what is never whole.
        var isExpiryArmed = false
    }

    /// Messages wait up to so many bytes, half of the channel's queue: what forwarding sends keeps its place, and a datagram waits
    /// for no more than that.
    private static let longestQueue = 128 << 10

    // MARK: Sending

    /// Sends a datagram, in parts where it fits into no message; why not, if it cannot be.
    func sendFlow(
        _ direction: FlowDirection, internalPort: UInt32, flow: UInt64, _ datagram: RawSpan
    ) -> DatagramDrop? {
        let header = FlowHeader(internalPort: internalPort, flow: flow)
        let capacity = transport.messageCapacity
        guard transport.queuedMessageByteCount <= Self.longestQueue else { return .queue }
        if header.byteCount + datagram.byteCount <= capacity {
            sendFlow(direction, header, datagram)
            core.mark(self)
            return nil
        }
        guard let slice = header.slice(of: datagram.byteCount, capacity: capacity) else { return .unsendable }
        var part = FlowHeader.Part(
            id: flows.nextID, datagramByteCount: datagram.byteCount, sliceByteCount: slice, index: 0)
        flows.nextID &+= 1
        while part.index < part.count {
            let range = part.offset..<(part.offset + part.byteCount)
            sendFlow(
                direction, FlowHeader(internalPort: internalPort, flow: flow, part: part), datagram.extracting(range))
            part.index += 1
        }
        core.mark(self)
        return nil
    }

    private func sendFlow(_ direction: FlowDirection, _ header: FlowHeader, _ data: RawSpan) {
        let byteCount = header.byteCount + data.byteCount
        var message = ByteBuffer()
        message.reserveCapacity(byteCount)
        message.writeWithOutputRawSpan(minimumWritableBytes: byteCount) { output in
            header.write(to: &output)
            output.write(data)
        }
        // It is open, or it would have no capacity, and the peer takes what that says.
        try? transport.sendMessage(flow: direction.rawValue, message, now: core.currentTime())
    }

    // MARK: Receiving

    /// The peer sent a message of a flow. It may say anything: what is not understood, or of no flow, is dropped and counted.
    func receiveFlow(_ direction: FlowDirection, _ message: ByteBuffer) {
        let bytes = message.readableBytesSpan
        var reader = ByteReader(bytes)
        guard let header = try? FlowHeader(reading: &reader) else {
            core.drops.flowMalformed &+= 1
            return
        }
        // Before anything is kept for it.
        guard isKnown(header, direction) else {
            core.drops.flowUnknown &+= 1
            return
        }
        let data = bytes.extracting(reader.position...)
        guard header.part != nil else { return deliver(header, direction, data) }
        switch flows.assembler.receive(header, of: direction.rawValue, data, now: core.currentTime()) {
        case .incomplete: armFlowExpiry()
        case .rejected: core.drops.flowMalformed &+= 1
        case .complete(let datagram):
            let span = unsafe datagram.span.bytes
            deliver(header, direction, span)
        }
    }

    private func isKnown(_ header: FlowHeader, _ direction: FlowDirection) -> Bool {
        switch direction {
        case .toTarget: flowDestination(header.internalPort) != nil
        case .toClient:
            flowOrigins[header.internalPort]?.has(header.flow, internalPort: header.internalPort, on: self) ?? false
        }
    }

    private func deliver(_ header: FlowHeader, _ direction: FlowDirection, _ datagram: RawSpan) {
        switch direction {
        case .toTarget:
            flowDestination(header.internalPort)?
                .received(datagram, of: header.flow, internalPort: header.internalPort, on: self)
        case .toClient: flowOrigins[header.internalPort]?.answered(header.flow, datagram)
        }
    }

    /// Has what never becomes whole go, also when nothing more comes.
    private func armFlowExpiry() {
        guard !flows.isExpiryArmed, let deadline = flows.assembler.nextDeadline else { return }
        flows.isExpiryArmed = true
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        let wait = max(0, (deadline - core.currentTime()).nanoseconds)
        core.eventLoop.scheduleTask(in: .nanoseconds(wait)) {
            let channel = bound.value
            guard channel.end == nil else { return }
            channel.flows.isExpiryArmed = false
            channel.flows.assembler.expire(now: channel.core.currentTime())
            channel.armFlowExpiry()
        }
    }
}
