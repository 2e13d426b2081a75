internal import DXWire
internal import NIOCore

/// The last handler of a SwiftNIO datagram channel: hands each datagram, or each run of coalesced ones, to the
/// `DatagramHandler`; tells its endpoint when the channel closes.
final class SocketReader<Handler: DatagramHandler>: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let handler: Handler
    private let port: UInt16
    private let slotByteCount: Int
    private weak var endpoint: UDPEndpoint<Handler>?
    private let place: SocketPlace
    /// The counters of receiving; the rest stays zero.
    private(set) var counters = ReceiveCounters()
    /// Set when the endpoint is done with this reader: nothing is delivered any more, and a close is no surprise.
    var isRetired = false

    /// A reader for a socket at that place, bound to that port.
    init(
        handler: Handler, endpoint: UDPEndpoint<Handler>, place: SocketPlace, port: UInt16,
        configuration: SocketConfiguration
    ) {
        self.handler = handler
        self.endpoint = endpoint
        self.port = port
        self.place = place
        self.slotByteCount = configuration.receiveSlotByteCount
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let byteCount = envelope.data.readableBytes
        counters.messages &+= 1
        guard byteCount < slotByteCount else {
            counters.truncated &+= 1
            return
        }
        guard let source = Endpoint(envelope.remoteAddress) else { return }
        var segmentSize = byteCount
        var ecn = ECNMark.notECT
        var local: Endpoint?
        if let metadata = envelope.metadata {
            ecn = ECNMark(metadata.ecnState)
            if let size = metadata.segmentSize, size > 0 { segmentSize = min(size, byteCount) }
            if let info = metadata.packetInfo, let address = Endpoint(info.destinationAddress) {
                let scope = address.isLinkLocalV6 ? UInt32(truncatingIfNeeded: info.interfaceIndex) : 0
                local = address.withScope(scope).withPort(port)
            }
        }
        // One reading for what arrived in one message: 64 datagrams at most.
        let message = HeldMessages.Message(
            bytes: envelope.data, segmentSize: segmentSize, source: source, local: local, ecn: ecn,
            time: MonotonicClock.now(), place: place)
        if let endpoint, endpoint.isStriped { endpoint.hold(message) } else { deliver(message) }
    }

    /// Hands a message to the handler.
    func deliver(_ message: HeldMessages.Message) {
        unsafe message.bytes.withUnsafeReadableBytes { bytes in
            // The bytes may be changed in place although ByteBuffer would copy them first: the slot's memory is shared
            // only with other slots of the same read, which do not overlap, and nobody reads this one after us.
            let memory = unsafe UnsafeMutableRawBufferPointer(mutating: bytes)
            unsafe deliver(
                memory, segmentSize: message.segmentSize, from: message.source, local: message.local, ecn: message.ecn,
                now: message.time)
        }
    }

    private func deliver(
        _ memory: UnsafeMutableRawBufferPointer, segmentSize: Int, from source: Endpoint, local: Endpoint?,
        ecn: ECNMark, now: Instant
    ) {
        var message = unsafe MutableRawSpan(_unsafeBytes: memory)
        guard segmentSize < memory.count else {
            guard !isRetired else { return }
            count(memory.count, datagrams: 1)
            handler.received(&message, from: source, local: local, ecn: ecn, now: now)
            return
        }
        var offset = 0
        while offset < memory.count, !isRetired {
            var rest = message._mutatingExtracting(offset...)
            // The first before it is handed on: the handler may close the endpoint, which takes the counters.
            let first = min(segmentSize, memory.count &- offset)
            count(first, datagrams: 1)
            let taken = handler.received(&rest, of: segmentSize, from: source, local: local, ecn: ecn, now: now)
            precondition(taken > 0 && taken <= memory.count &- offset, "a handler takes whole datagrams")
            count(taken &- first, datagrams: (taken &- 1) / segmentSize)
            offset &+= taken
        }
    }

    private func count(_ bytes: Int, datagrams: Int) {
        counters.datagrams &+= UInt64(datagrams)
        counters.bytes &+= UInt64(bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard !isRetired else { return }
        counters.batches &+= 1
        if let endpoint, endpoint.isStriped { return endpoint.deliverHeldSoon() }
        handler.batchEnded(now: MonotonicClock.now())
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard !isRetired else { return }
        endpoint?.channelClosed(place)
    }

    /// A read error: SwiftNIO survives ECONNREFUSED and ENOMEM, and closes the channel itself after any other.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        counters.errors &+= 1
    }
}

/// The counters of one socket's receiving.
struct ReceiveCounters {
    /// Datagrams handed on.
    var datagrams: UInt64 = 0
    /// Their bytes.
    var bytes: UInt64 = 0
    /// Messages from the kernel.
    var messages: UInt64 = 0
    /// Turns in which something came.
    var batches: UInt64 = 0
    /// Datagrams that filled their slot.
    var truncated: UInt64 = 0
    /// Read errors.
    var errors: UInt64 = 0

    /// Adds all of them to the endpoint's.
    func add(to total: inout SocketStatistics) {
        total.datagramsIn &+= datagrams
        total.bytesIn &+= bytes
        total.messagesIn &+= messages
        total.batchesIn &+= batches
        total.truncated &+= truncated
        total.readErrors &+= errors
    }
}

extension ECNMark {
    /// SwiftNIO's name for the same two bits.
    fileprivate init(_ state: NIOExplicitCongestionNotificationState) {
        switch state {
        case .transportNotCapable: self = .notECT
        case .transportCapableFlag0: self = .ect0
        case .transportCapableFlag1: self = .ect1
        case .congestionExperienced: self = .ce
        }
    }
}
