/// Puts datagrams of tunnelled UDP flows together that came in parts (`docs/wire-format.md` §6.13.2), for one channel.
///
/// The parts come from the peer, which may send what it likes: at most `maximumDatagrams` are in the making, of at most
/// `maximumByteCount` bytes in all as their heads say. A further one takes the place of those that got nothing for the longest
/// time; whoever got nothing for `patience` goes, too. What is lost is lost as a datagram: nobody asks for a part again.
///
/// Complexity: O(`maximumDatagrams`) for each part; for parts in a row O(1).
public struct FlowAssembler: Sendable {
    /// What became of a part.
    public enum Outcome: Equatable, Sendable {
        /// It is kept, or was there already.
        case incomplete
        /// It was the last that was missing: the datagram.
        case complete([UInt8])
        /// It contradicts those before it, or is no part. Dropped.
        case rejected
    }

    /// Which datagram a part is of.
    private struct Key: Equatable, Sendable {
        var direction: UInt64
        var internalPort: UInt32
        var flow: UInt64
        var id: UInt32
    }

    /// A datagram in the making.
    private struct Datagram: Sendable {
        var key: Key
        var sliceByteCount: Int
        var bytes: [UInt8]
        /// Which parts are there, and how many are not.
        var mask: UInt128 = 0
        var missing: Int
        var touchedAt: Instant
    }

    /// The parts of a datagram leave in a row, so few are in the making at a time: those whose parts were lost, until they go.
    public static let maximumDatagrams = 32
    /// Four of the largest.
    public static let maximumByteCount = 256 << 10
    /// No part arrives so much later than the one before it.
    public static let patience = Interval.seconds(2)

    private var datagrams: [Datagram] = []
    /// The bytes of those in the making.
    public private(set) var heldByteCount = 0
    /// Datagrams that never became whole.
    public private(set) var abandoned: UInt64 = 0

    /// Nothing in the making.
    public init() {}

    /// How many are in the making.
    public var count: Int { datagrams.count }

    /// Takes the data of a part.
    ///
    /// - Parameter direction: tells flows of one direction from those of the other.
    public mutating func receive(
        _ header: FlowHeader, of direction: UInt64, _ data: RawSpan, now: Instant
    ) -> Outcome {
        guard let part = header.part, part.byteCount == data.byteCount, part.index < 128 else { return .rejected }
        let key = Key(direction: direction, internalPort: header.internalPort, flow: header.flow, id: part.id)
        let index: Int
        if let known = datagrams.lastIndex(where: { $0.key == key }) {
            index = known
            guard datagrams[known].bytes.count == part.datagramByteCount,
                datagrams[known].sliceByteCount == part.sliceByteCount
            else { return .rejected }
        } else {
            makeRoom(for: part.datagramByteCount, now: now)
            datagrams.append(
                Datagram(
                    key: key, sliceByteCount: part.sliceByteCount,
                    bytes: [UInt8](repeating: 0, count: part.datagramByteCount), missing: part.count, touchedAt: now))
            heldByteCount &+= part.datagramByteCount
            index = datagrams.count - 1
        }
        let bit = (1 as UInt128) &<< UInt128(part.index)
        datagrams[index].touchedAt = now
        guard datagrams[index].mask & bit == 0 else { return .incomplete }
        datagrams[index].mask |= bit
        datagrams[index].missing &-= 1
        unsafe datagrams[index].bytes.withUnsafeMutableBytes { memory in
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[part.offset...])
            unsafe data.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        guard datagrams[index].missing == 0 else { return .incomplete }
        return .complete(remove(index).bytes)
    }

    /// Lets those go that have waited for too long.
    public mutating func expire(now: Instant) {
        for index in datagrams.indices.reversed() where datagrams[index].touchedAt + Self.patience <= now {
            abandon(index)
        }
    }

    /// When to call `expire`; nil while nothing is in the making.
    public var nextDeadline: Instant? { datagrams.map(\.touchedAt).min().map { $0 + Self.patience } }

    private mutating func makeRoom(for byteCount: Int, now: Instant) {
        expire(now: now)
        while datagrams.count >= Self.maximumDatagrams || heldByteCount + byteCount > Self.maximumByteCount,
            let oldest = datagrams.indices.min(by: { datagrams[$0].touchedAt < datagrams[$1].touchedAt })
        {
            abandon(oldest)
        }
    }

    private mutating func abandon(_ index: Int) {
        _ = remove(index)
        abandoned &+= 1
    }

    private mutating func remove(_ index: Int) -> Datagram {
        let datagram = datagrams.remove(at: index)
        heldByteCount &-= datagram.bytes.count
        return datagram
    }
}
