internal import DXWire

/// What a channel has noted since somebody took it last: `limit` records at most.
///
/// When it is full, what happens is not noted but counted, until it is emptied; what was noted before stays, so that all that is
/// missing is missing in one place, at the end. A packet is noted with all its frames or not at all.
struct TraceLog: Sendable {
    /// In order.
    private(set) var records: [TraceRecord] = []
    /// How many events found no room.
    private(set) var lost: UInt64 = 0
    private let limit: Int
    /// Where the packet that is being noted begins.
    private var packetStart: Int?
    private var isPacketCut = false

    /// An empty log; its memory is taken at once.
    init(limit: Int) {
        self.limit = limit
        records.reserveCapacity(limit)
    }

    /// Notes an event that stands for itself.
    mutating func append(_ record: TraceRecord) {
        guard records.count < limit, lost == 0 else {
            lost &+= 1
            return
        }
        records.append(record)
    }

    /// Begins a packet.
    mutating func beginPacket(_ record: TraceRecord) {
        packetStart = records.count
        isPacketCut = lost > 0
        appendPart(record)
    }

    /// A part of the packet that was begun.
    mutating func appendPart(_ record: TraceRecord) {
        guard !isPacketCut, records.count < limit else {
            isPacketCut = true
            return
        }
        records.append(record)
    }

    /// Ends the packet that was begun: it is noted if there was room for all of it.
    mutating func endPacket() {
        guard let packetStart else { return }
        self.packetStart = nil
        guard isPacketCut else { return }
        records.removeSubrange(packetStart...)
        lost &+= 1
    }

    /// What was noted, and how much was missed after that; begins anew, in the same memory.
    mutating func take() -> TraceBatch {
        // A copy of what there is: an array that shared this one's memory would take it along.
        var taken: [TraceRecord] = []
        taken.reserveCapacity(records.count)
        taken.append(contentsOf: records)
        defer {
            records.removeAll(keepingCapacity: true)
            lost = 0
        }
        return TraceBatch(records: taken, lost: lost)
    }
}

/// What a trace brought since it was asked last.
public struct TraceBatch: Sendable {
    /// What happened, in order.
    public var records: [TraceRecord]
    /// How many events happened after these and are not there, because nobody asked in time. A packet with its frames counts as one.
    public var lost: UInt64

    /// A batch from its parts.
    public init(records: [TraceRecord], lost: UInt64) {
        self.records = records
        self.lost = lost
    }
}
