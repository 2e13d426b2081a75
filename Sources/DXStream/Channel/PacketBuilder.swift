internal import DXWire

/// A packet under construction: where it starts, how large it may become, what it is like so far.
struct PacketBuilder {
    /// Where it begins in the output.
    let start: Int
    /// Its most bytes.
    let capacity: Int
    /// The number of its first obligation in the path's ring.
    let firstObligation: UInt64
    /// What it is like so far.
    var traits: SentPacket.Traits = []
    private let header: PacketHeader

    /// A packet of `path` in a datagram of at most `limit` bytes, at the end of `output`.
    init(path: borrowing Path, output: borrowing OutputRawSpan, limit: Int, now: Instant) {
        self.init(path: path, output: output, capacity: limit &- path.overhead, now: now)
    }

    /// A packet of `path` of at most `capacity` bytes, at the end of `output`.
    init(path: borrowing Path, output: borrowing OutputRawSpan, capacity: Int, now: Instant) {
        start = output.byteCount
        self.capacity = min(output.freeCapacity, capacity)
        firstObligation = path.sent.nextObligation
        header = PacketHeader(
            pathID: path.id, number: path.sent.nextNumber, largestAcknowledged: path.loss.largestAcknowledged)
    }

    /// Whether a header and a useful frame fit at all.
    var hasRoom: Bool { capacity >= 256 }

    /// Writes the header.
    @_lifetime(output: copy output)
    func begin(_ output: inout OutputRawSpan) { output.write(header) }

    /// The bytes that frames may still take.
    func room(_ output: borrowing OutputRawSpan) -> Int { capacity &- (output.byteCount &- start) }

    /// Whether nothing follows the header yet.
    func isEmpty(_ output: borrowing OutputRawSpan) -> Bool { output.byteCount &- start == header.byteCount }
}
