import DXWire

/// Tells a path that has stopped carrying large packets from one that is merely congested (RFC 8899 §4.3).
///
/// A *loss event* is all packets declared lost at one instant that were sent after the event before it. It is suspicious
/// when it holds packets above the minimum size, none at or below it, and no packet of full size sent later has arrived.
/// Congestion loses packets of all sizes, and large ones arrive between its losses; a black hole loses all the large ones
/// and only those. Three suspicious events with no packet of their size acknowledged between are a black hole.
struct BlackHoleDetector: Sendable, BitwiseCopyable {
    /// Suspicious loss events in a row.
    private var eventCount = 0
    /// When the last suspicious event was.
    private var lastEvent: Instant?
    /// When a packet of at most the minimum size was last lost: an event of that instant is not suspicious.
    private var lastSmallLoss: Instant?
    /// The first packet lost in this row.
    private var firstLost: UInt64 = 0
    /// The size of the smallest packet lost in this row.
    private var smallestLost = Int.max
    /// The largest number of an acknowledged packet of full size.
    private var passedNumber: UInt64?

    /// MAX_PROBES (RFC 8899 §5.1.2), of loss events: with fewer, three unlucky packets of a quiet channel would do; with
    /// more, a channel in a black hole waits for more probe timeouts.
    private static let eventLimit = 3

    /// Packets that differ by less are of one size: how full a packet becomes depends on where frames end. With exact
    /// sizes, a lost packet of 1,472 bytes would not be cleared by many that pass with 1,460.
    private static let sizeTolerance = 64

    /// A packet was acknowledged; `current` is the size of a full one.
    mutating func onAcknowledged(packetNumber: UInt64, size: Int, current: Int) {
        if eventCount > 0, packetNumber > firstLost, size > smallestLost - Self.sizeTolerance { forgetEvents() }
        if size > current - Self.sizeTolerance { passedNumber = max(passedNumber ?? 0, packetNumber) }
    }

    /// A packet was declared lost. True when that makes a black hole; the count then begins anew.
    mutating func onLost(
        packetNumber: UInt64, size: Int, minimum: Int, sentAt: Instant? = nil, now: Instant
    ) -> Bool {
        guard size > minimum else {
            if lastEvent == now, lastSmallLoss != now, eventCount > 0 { eventCount -= 1 }
            lastSmallLoss = now
            return false
        }
        if let passedNumber, packetNumber < passedNumber { return false }
        guard lastSmallLoss != now else { return false }
        // What was sent before the last event is part of it: a burst of losses becomes known piece by piece.
        if eventCount > 0, let sentAt, let lastEvent, sentAt <= lastEvent {
            smallestLost = min(smallestLost, size)
            return false
        }
        if eventCount == 0 {
            firstLost = packetNumber
            smallestLost = size
        }
        smallestLost = min(smallestLost, size)
        guard eventCount == 0 || lastEvent != now else { return false }
        eventCount += 1
        lastEvent = now
        guard eventCount >= Self.eventLimit else { return false }
        forgetEvents()
        return true
    }

    private mutating func forgetEvents() {
        eventCount = 0
        lastEvent = nil
        smallestLost = .max
    }
}
