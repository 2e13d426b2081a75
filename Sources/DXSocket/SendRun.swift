internal import DXWire

/// One message for the kernel: a datagram, or several of equal size (the last may be shorter) to one destination that
/// lie one after the other in the arena.
struct SendRun: BitwiseCopyable {
    /// The most datagrams in a run. The kernel took 64 from the first (UDP_MAX_SEGMENTS; 128 since 6.9).
    static let maximumSegments = 64
    /// The most bytes in a run: below 65,507, the most that one IPv4 datagram carries, which bounds the whole run.
    static let maximumByteCount = Constants.maximumDatagram

    /// Where it goes.
    var destination: Endpoint
    /// The pinned local address; nil leaves it to the routing table.
    var source: Endpoint?
    /// The number of the interface that it leaves through; 0 leaves it to the routing table.
    var interface: UInt32
    /// The first byte, counted from the arena's.
    var offset: Int
    /// All bytes of the run.
    var byteCount: Int
    /// The size of each datagram but the last; of a single datagram its size.
    var segmentSize: Int
    /// How many datagrams.
    var segmentCount: Int
    /// The mark of all of them.
    var ecn: ECNMark
    /// Whether the last datagram may be followed by another: false after a shorter one.
    var isOpen: Bool
    /// Set when the kernel refused the run as a whole, to the errno: its datagrams go out one by one from now on.
    var splitErrno: Int32

    /// A run of one datagram.
    init(
        destination: Endpoint, source: Endpoint?, over interface: UInt32 = 0, ecn: ECNMark, offset: Int, byteCount: Int
    ) {
        self.destination = destination
        self.source = source
        self.interface = interface
        self.offset = offset
        self.byteCount = byteCount
        self.segmentSize = byteCount
        self.segmentCount = 1
        self.ecn = ecn
        self.isOpen = true
        self.splitErrno = 0
    }

    /// Adds a datagram of `count` bytes that lies right behind the run, and tells whether it fits: same way, same mark,
    /// not longer than those before it, within the limits.
    mutating func extend(
        destination: Endpoint, source: Endpoint?, over interface: UInt32 = 0, ecn: ECNMark, byteCount count: Int
    ) -> Bool {
        guard isOpen, count <= segmentSize, segmentCount < Self.maximumSegments,
            byteCount &+ count <= Self.maximumByteCount, self.ecn == ecn, self.destination == destination,
            self.source == source, self.interface == interface
        else { return false }
        byteCount &+= count
        segmentCount &+= 1
        isOpen = count == segmentSize
        return true
    }

    /// Adds full datagrams of `size` bytes out of the `count` bytes that lie right behind the run, as many as fit, or the one
    /// shorter datagram that is left; the bytes added.
    mutating func extend(
        destination: Endpoint, source: Endpoint?, over interface: UInt32 = 0, ecn: ECNMark, byteCount count: Int,
        of size: Int
    ) -> Int {
        if count <= size {
            return extend(destination: destination, source: source, over: interface, ecn: ecn, byteCount: count)
                ? count : 0
        }
        guard isOpen, size == segmentSize, self.ecn == ecn, self.destination == destination, self.source == source,
            self.interface == interface
        else { return 0 }
        let more = min(
            count / size, Self.maximumSegments &- segmentCount, (Self.maximumByteCount &- byteCount) / size)
        byteCount &+= more &* size
        segmentCount &+= more
        return more &* size
    }

    /// The first datagram alone, as a message of its own.
    var firstSegment: SendRun {
        SendRun(
            destination: destination, source: source, over: interface, ecn: ecn, offset: offset,
            byteCount: min(segmentSize, byteCount))
    }

    /// Takes the first datagram away, after it was sent or refused alone.
    mutating func dropFirstSegment() {
        let count = min(segmentSize, byteCount)
        offset &+= count
        byteCount &-= count
        segmentCount &-= 1
    }
}
