internal import DXWire

/// The queue of datagrams of one socket, and the way it empties.
///
/// Words: a *datagram* is what the caller appends; a *run* is one or more datagrams that make one message for the
/// kernel; the *arena* is the memory that all queued datagrams lie in, one after the other; a *batch* is what one
/// flush hands to sendmmsg.
///
/// Invariants: runs `head..<runs.count` are queued and lie in the arena in that order without gaps, up to `tail`. When
/// nothing is queued, head, run count and tail are 0. Only the run at `head` can be split. Nothing is allocated after
/// `init`. Complexity: append O(1), flush O(runs); moving the queue to the arena's start happens only after the kernel
/// was out of room.
///
/// Errors: there are none. What the kernel refuses is dropped and counted, whatever the errno.
@safe struct BatchWriter<System: SendSystem> {
    /// Refused datagrams kept for the caller; beyond it they are only counted. A turn that probes every candidate of a
    /// few peers stays below it.
    private static var maximumRefusals: Int { 64 }
    /// How often in a row the kernel may answer ENOBUFS or ENOMEM for the same message before it is dropped: these can
    /// be about the message itself, and one such must not stop the socket. 32 tries take 40 ms or more.
    private static var maximumShortages: Int { 32 }

    /// The door to the kernel.
    var system: System
    /// The counters of sending; the rest stays zero.
    private(set) var statistics = SendCounters()
    /// Whether runs of several datagrams are made. Turns false for good when the kernel refuses one.
    private(set) var usesSegmentation: Bool
    /// Whether the last flush ended because the kernel had no room.
    private(set) var isBlocked = false

    private let arena: UnsafeMutableRawPointer
    private let arenaByteCount: Int
    private let runs: UnsafeMutablePointer<SendRun>
    private let maximumRuns: Int
    private var head = 0
    private var runCount = 0
    private var tail = 0
    private var shortages = 0
    private var refusals: [SendRefusal] = []
    private var nextRefusal = 0

    /// A writer with room for `byteCount` bytes in `runCount` messages. The system must have room for one message more
    /// than that: the last place is for datagrams sent alone.
    init(system: System, usesSegmentation: Bool, byteCount: Int, runCount: Int) {
        precondition(byteCount >= Constants.maximumDatagram && runCount > 0, "a send queue holds at least one datagram")
        self.system = system
        self.usesSegmentation = usesSegmentation
        self.arenaByteCount = byteCount
        self.maximumRuns = runCount
        unsafe self.arena = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
        unsafe self.runs = UnsafeMutablePointer<SendRun>.allocate(capacity: runCount)
        refusals.reserveCapacity(Self.maximumRefusals)
    }

    /// Frees the memory. Nothing may be called afterwards; queued datagrams are dropped.
    mutating func destroy() {
        unsafe arena.deallocate()
        unsafe runs.deallocate()
    }

    // MARK: State

    /// Bytes that wait.
    var queuedByteCount: Int { tail &- (head < runCount ? unsafe runs[head].offset : tail) }

    /// Datagrams that wait.
    var queuedDatagramCount: Int {
        var count = 0
        for index in head..<runCount { count &+= unsafe runs[index].segmentCount }
        return count
    }

    /// The memory's address, for tests that show that it stays.
    var arenaAddress: UInt { unsafe UInt(bitPattern: arena) }

    // MARK: Appending

    /// Where the next `datagrams` datagrams, of at most `count` bytes together, are to be written; nil when there is no room
    /// even after a flush.
    mutating func reserve(_ count: Int, datagrams: Int = 1) -> UnsafeMutableRawPointer? {
        // They end the last run and begin another; alone, each is a message.
        let messages = usesSegmentation ? min(datagrams, 2) : datagrams
        if tail &+ count > arenaByteCount || runCount &+ messages > maximumRuns {
            guard makeRoom(count, messages) else { return nil }
        }
        return unsafe arena + tail
    }

    /// Queues the `count` bytes (at least 1, at most what was reserved) that were written there.
    mutating func commit(
        _ count: Int, to destination: Endpoint, from source: Endpoint?, over interface: UInt32 = 0, ecn: ECNMark
    ) {
        commit(count, of: count, to: destination, from: source, over: interface, ecn: ecn)
    }

    /// The same for bytes that are datagrams of `size` bytes each, the last one perhaps shorter. What finds no room in the
    /// list of messages is dropped and counted.
    mutating func commit(
        _ count: Int, of size: Int, to destination: Endpoint, from source: Endpoint?, over interface: UInt32 = 0,
        ecn: ECNMark
    ) {
        var rest = count
        while rest > 0 {
            var added = 0
            if usesSegmentation, runCount > head, unsafe runs[runCount &- 1].splitErrno == 0 {
                added = unsafe runs[runCount &- 1].extend(
                    destination: destination, source: source, over: interface, ecn: ecn, byteCount: rest, of: size)
            }
            if added == 0 {
                guard runCount < maximumRuns else {
                    statistics.queueRefusals &+= 1
                    return
                }
                added = min(size, rest)
                unsafe runs[runCount] = SendRun(
                    destination: destination, source: source, over: interface, ecn: ecn, offset: tail,
                    byteCount: added)
                runCount &+= 1
            }
            tail &+= added
            rest &-= added
        }
    }

    private mutating func makeRoom(_ count: Int, _ messages: Int) -> Bool {
        if !isBlocked { flush() }
        if head > 0 { moveToStart() }
        guard tail &+ count <= arenaByteCount, runCount &+ messages <= maximumRuns else {
            statistics.queueRefusals &+= 1
            return false
        }
        return true
    }

    /// Moves what is still queued to the start of arena and run list. Needed only after the kernel had no room.
    private mutating func moveToStart() {
        let first = unsafe runs[head].offset
        unsafe arena.copyMemory(from: arena + first, byteCount: tail &- first)
        for index in head..<runCount {
            unsafe runs[index &- head] = runs[index]
            unsafe runs[index &- head].offset &-= first
        }
        runCount &-= head
        head = 0
        tail &-= first
    }

    // MARK: Flushing

    /// Hands the queue to the kernel, in order. Ends with an empty queue, or blocked.
    mutating func flush() {
        isBlocked = false
        for index in head..<runCount {
            unsafe system.set(index, runs[index], bytes: arena + runs[index].offset)
        }
        while head < runCount {
            if unsafe runs[head].splitErrno != 0 {
                guard sendSegments() else { return }
                continue
            }
            switch system.send(first: head, count: runCount &- head) {
            case .sent(let count):
                for _ in 0..<count { unsafe countSent(runs[head]) }
                statistics.batches &+= 1
                shortages = 0
            case .refused(let code):
                guard handleRefusal(code) else { return }
            }
        }
        head = 0
        runCount = 0
        tail = 0
    }

    private mutating func countSent(_ run: SendRun) {
        statistics.datagrams &+= UInt64(run.segmentCount)
        statistics.bytes &+= UInt64(run.byteCount)
        if run.segmentCount > 1 { statistics.segmentRuns &+= 1 }
        head &+= 1
    }

    /// Deals with the refused run at `head`; false when the flush has to end.
    private mutating func handleRefusal(_ code: Int32) -> Bool {
        switch SendErrorPolicy.action(for: code, segmentCount: unsafe runs[head].segmentCount) {
        case .wait:
            return wait(code)
        case .split:
            unsafe runs[head].splitErrno = code
            statistics.segmentRunsSplit &+= 1
            return true
        case .drop:
            unsafe noteRefusal(runs[head], code)
            head &+= 1
            shortages = 0
            return true
        }
    }

    /// The kernel has no room: blocked, unless the same message has been short too often; then it is dropped, and true.
    private mutating func wait(_ code: Int32) -> Bool {
        statistics.blocked &+= 1
        if SendErrorPolicy.mayBeAboutTheMessage(code) {
            shortages += 1
            if shortages > Self.maximumShortages {
                shortages = 0
                statistics.queueDrops &+= UInt64(unsafe runs[head].segmentCount)
                head &+= 1
                return true
            }
        }
        isBlocked = true
        return false
    }

    /// Sends the datagrams of the split run at `head` one by one; false when the flush has to end in between.
    private mutating func sendSegments() -> Bool {
        while unsafe runs[head].byteCount > 0 {
            let segment = unsafe runs[head].firstSegment
            unsafe system.set(maximumRuns, segment, bytes: arena + segment.offset)
            switch system.send(first: maximumRuns, count: 1) {
            case .sent:
                statistics.datagrams &+= 1
                statistics.bytes &+= UInt64(segment.byteCount)
                statistics.batches &+= 1
                shortages = 0
                if unsafe SendErrorPolicy.blamesSegmentation(runs[head].splitErrno) { usesSegmentation = false }
            case .refused(let code):
                switch SendErrorPolicy.action(for: code, segmentCount: 1) {
                case .wait:
                    guard wait(code) else { return false }
                    return true
                case .split, .drop:
                    noteRefusal(segment, code)
                    shortages = 0
                }
            }
            unsafe runs[head].dropFirstSegment()
        }
        head &+= 1
        return true
    }

    // MARK: Refusals

    private mutating func noteRefusal(_ run: SendRun, _ code: Int32) {
        statistics.refused(UInt64(run.segmentCount), code)
        guard refusals.count < Self.maximumRefusals else { return }
        refusals.append(
            SendRefusal(
                destination: run.destination, byteCount: run.segmentSize, errnoCode: code,
                reason: SendErrorPolicy.reason(for: code, sourceWasPinned: run.source != nil)))
    }

    /// The next refusal that was not asked for yet.
    mutating func pollRefusal() -> SendRefusal? {
        guard nextRefusal < refusals.count else {
            if nextRefusal > 0 {
                refusals.removeAll(keepingCapacity: true)
                nextRefusal = 0
            }
            return nil
        }
        defer { nextRefusal += 1 }
        return refusals[nextRefusal]
    }

    /// Counts what is queued as dropped and empties the queue: the socket is gone.
    mutating func dropQueue() {
        statistics.queueDrops &+= UInt64(queuedDatagramCount)
        head = 0
        runCount = 0
        tail = 0
        shortages = 0
        isBlocked = false
    }
}
