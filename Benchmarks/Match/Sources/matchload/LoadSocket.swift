import CDXSystem
import CMatchLoad
import DXWire
import Glibc

/// The one socket of all simulated gateways: each datagram says in a control message from which address it goes, and to which
/// one it came. Datagrams that are sent wait for `flush`, which hands them to the kernel together.
@safe
final class LoadSocket {
    /// Datagrams in a batch.
    private static let batchCount = 128
    /// Larger than any message of the protocol.
    private static let slotByteCount = 1_280

    /// The matchmaker.
    let server: Endpoint
    /// Its own port: that of all members.
    let port: UInt16
    /// Datagrams that the kernel refused to send.
    private(set) var refused = 0
    /// Datagrams sent and received.
    private(set) var sent = 0
    private(set) var received = 0

    private let descriptor: Int32
    private let batch: OpaquePointer
    private let reader: OpaquePointer
    private let arena: UnsafeMutableRawPointer
    private let datagrams: UnsafeMutablePointer<ml_datagram>
    private var queued = 0

    /// A socket on all addresses, for talking to this matchmaker. What cannot be opened ends the program.
    init(server: Endpoint) {
        self.server = server
        let descriptor = dx_udp_open(false)
        var local = unsafe dx_message()
        guard descriptor >= 0, ml_tell_addresses(descriptor) == 0, unsafe dx_udp_bind(descriptor, &local) == 0,
            dx_udp_receive_buffer(descriptor, 8 << 20) >= 0, dx_udp_send_buffer(descriptor, 8 << 20) >= 0,
            let batch = unsafe dx_batch_create(UInt32(Self.batchCount)),
            let reader = unsafe ml_reader_create(UInt32(Self.batchCount), UInt32(Self.slotByteCount))
        else { fatalError("no UDP socket here") }
        self.descriptor = descriptor
        unsafe self.batch = unsafe batch
        unsafe self.reader = unsafe reader
        port = UInt16(truncatingIfNeeded: dx_udp_port(descriptor, false))
        unsafe arena = .allocate(byteCount: Self.batchCount * Self.slotByteCount, alignment: 64)
        unsafe datagrams = .allocate(capacity: Self.batchCount)
    }

    /// Queues a datagram from the member's address to the matchmaker.
    func send(_ datagram: [UInt8], from source: UInt32) {
        precondition(datagram.count <= Self.slotByteCount, "a message of the protocol")
        if queued == Self.batchCount { flush() }
        let slot = unsafe arena + queued * Self.slotByteCount
        unsafe datagram.withUnsafeBytes { unsafe slot.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        var message = unsafe dx_message()
        unsafe message.bytes = UnsafeRawPointer(slot)
        unsafe message.byte_count = UInt32(datagram.count)
        unsafe message.low = server.low
        unsafe message.port = server.port
        unsafe message.source_low = UInt64(source)
        unsafe message.has_source = true
        unsafe dx_batch_set(batch, UInt32(queued), &message)
        queued += 1
    }

    /// Sends what is queued. Waits while the kernel has no room.
    func flush() {
        var first = 0
        while first < queued {
            let count = unsafe dx_batch_send(batch, descriptor, UInt32(first), UInt32(queued - first))
            if count > 0 {
                first += Int(count)
                sent += Int(count)
            } else if count == -EAGAIN || count == -ENOBUFS {
                ml_wait(descriptor, 1, 1_000_000)
            } else {
                refused += 1
                first += 1
            }
        }
        queued = 0
    }

    /// Takes one batch of what came from the matchmaker; false when nothing waits.
    func receive(_ take: (_ datagram: RawSpan, _ local: UInt32) -> Void) -> Bool {
        let count = unsafe ml_receive(reader, descriptor, datagrams)
        guard count > 0 else { return false }
        for index in 0..<Int(count) {
            let datagram = unsafe datagrams[index]
            guard unsafe UInt64(datagram.from) == server.low, unsafe datagram.from_port == server.port else { continue }
            received += 1
            let bytes = unsafe RawSpan(
                _unsafeStart: UnsafeRawPointer(datagram.bytes!), byteCount: Int(datagram.byte_count))
            take(bytes, unsafe datagram.to)
        }
        return true
    }

    /// Waits for something to come, so long at most.
    func wait(_ interval: Interval) { ml_wait(descriptor, 0, max(0, interval.nanoseconds)) }
}
