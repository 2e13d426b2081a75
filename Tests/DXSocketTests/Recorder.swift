import DXSocket
import DXWire
import NIOCore

/// A datagram as a `Recorder` saw it.
struct Received: Hashable, Sendable {
    var bytes: [UInt8]
    var source: Endpoint
    var local: Endpoint?
    var ecn: ECNMark
}

/// A handler that keeps what it hears, and can tell when it has heard enough.
final class Recorder: DatagramHandler {
    private(set) var datagrams: [Received] = []
    private(set) var batches = 0
    private(set) var writableCalls = 0
    /// Called for each datagram, after it was kept.
    var onDatagram: ((Received) -> Void)?
    /// Called at the end of each batch.
    var onBatchEnd: (() -> Void)?
    /// Called when the sender is writable again.
    var onWritable: (() -> Void)?
    private var waiting: [(count: Int, promise: EventLoopPromise<[Received]>)] = []

    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        let bytes = unsafe datagram.withUnsafeBytes { unsafe [UInt8]($0) }
        // A handler may decrypt in place: show that nothing minds.
        unsafe datagram.withUnsafeMutableBytes { for index in $0.indices { unsafe $0[index] = 0xff } }
        let received = Received(bytes: bytes, source: source, local: local, ecn: ecn)
        datagrams.append(received)
        onDatagram?(received)
    }

    func batchEnded(now: Instant) {
        batches += 1
        onBatchEnd?()
        let ready = waiting.filter { datagrams.count >= $0.count }
        waiting.removeAll { datagrams.count >= $0.count }
        for entry in ready { entry.promise.succeed(datagrams) }
    }

    func becameWritable(now: Instant) {
        writableCalls += 1
        onWritable?()
    }

    /// All datagrams heard, once there are `count` of them. A test that waits in vain ends by its time limit.
    func heard(_ count: Int, on eventLoop: any EventLoop) -> EventLoopFuture<[Received]> {
        let promise = eventLoop.makePromise(of: [Received].self)
        if datagrams.count >= count {
            promise.succeed(datagrams)
        } else {
            waiting.append((count, promise))
        }
        return promise.futureResult
    }
}

/// An endpoint and its handler.
typealias TestEndpoint = UDPEndpoint<Recorder>

extension DatagramSender {
    /// Queues `bytes`.
    @discardableResult
    func append(
        _ bytes: [UInt8], to destination: Endpoint, from source: Endpoint? = nil, ecn: ECNMark = .notECT
    ) -> AppendResult {
        append(to: destination, from: source, ecn: ecn, maximumByteCount: max(1, bytes.count)) { span in
            unsafe span.write(bytes.span.bytes)
        }
    }
}

extension Endpoint {
    /// 127.0.0.1.
    static func loopback(_ port: UInt16) -> Endpoint { Endpoint(v4: 0x7f00_0001, port: port) }
    /// ::1.
    static func loopbackV6(_ port: UInt16) -> Endpoint { Endpoint(v6High: 0, low: 1, port: port) }
}

/// Random bytes, made once: a debug build is slow at making them.
private let randomBytes: [UInt8] = {
    var random = RandomSource(seed: 7)
    return (0..<70_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}()

/// Bytes that differ from one datagram of a test to the next: `seed` from 0 to some thousands, `count` up to 65,536.
func pattern(_ seed: Int, _ count: Int) -> [UInt8] {
    let start = seed * 97 % 4096
    return Array(randomBytes[start..<(start + count)])
}
