internal import CDXSystem
internal import DXWire
import Glibc

/// What became of a call to send.
enum SendOutcome: Hashable {
    /// The kernel took this many messages, at least one.
    case sent(Int)
    /// It refused the first message with this errno.
    case refused(Int32)
}

/// The door to the kernel that a `BatchWriter` sends through. A generic parameter, so that tests can refuse what a
/// loopback never refuses.
protocol SendSystem {
    /// Fills in message `index`; `bytes` stay where they are until it was sent.
    mutating func set(_ index: Int, _ run: SendRun, bytes: UnsafeRawPointer)
    /// Sends `count` messages from `first` on, in order, up to the first that is refused.
    mutating func send(first: Int, count: Int) -> SendOutcome
}

/// sendmmsg on a descriptor of its own.
///
/// The descriptor is a duplicate of the one that SwiftNIO reads from: SwiftNIO closes its own when it wants to, and
/// another thread may get the same number the next moment. Sending on the duplicate can then fail, but never reach a
/// stranger's file.
@safe struct KernelSendSystem: SendSystem {
    private let descriptor: CInt
    private let batch: OpaquePointer

    /// Takes over `descriptor`. Room for `capacity` messages.
    init(descriptor: CInt, capacity: Int) {
        guard let batch = unsafe dx_batch_create(UInt32(capacity)) else {
            preconditionFailure("out of memory for the headers of a send batch")
        }
        self.descriptor = descriptor
        unsafe self.batch = batch
    }

    /// Closes the descriptor and frees the headers. Nothing may be called afterwards.
    func destroy() {
        _ = Glibc.close(descriptor)
        unsafe dx_batch_destroy(batch)
    }

    func set(_ index: Int, _ run: SendRun, bytes: UnsafeRawPointer) {
        var message = unsafe dx_message()
        unsafe message.bytes = unsafe bytes
        unsafe message.byte_count = UInt32(truncatingIfNeeded: run.byteCount)
        unsafe message.high = run.destination.high
        unsafe message.low = run.destination.low
        unsafe message.scope = run.destination.scope
        unsafe message.port = run.destination.port
        unsafe message.is_v6 = run.destination.family == .v6
        unsafe message.ecn = run.ecn.rawValue
        unsafe message.segment_size = run.byteCount > run.segmentSize ? UInt16(truncatingIfNeeded: run.segmentSize) : 0
        unsafe message.interface = run.interface
        if let source = run.source {
            unsafe message.has_source = true
            unsafe message.source_high = source.high
            unsafe message.source_low = source.low
            unsafe message.source_scope = source.scope
        }
        unsafe dx_batch_set(batch, UInt32(truncatingIfNeeded: index), &message)
    }

    func send(first: Int, count: Int) -> SendOutcome {
        let result = unsafe dx_batch_send(
            batch, descriptor, UInt32(truncatingIfNeeded: first), UInt32(truncatingIfNeeded: count))
        return result > 0 ? .sent(Int(result)) : .refused(-result)
    }
}
