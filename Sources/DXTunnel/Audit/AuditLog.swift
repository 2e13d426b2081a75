import DXWire
import DequeModule
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// The gateway's audit records: takes them from any event loop, and keeps them on the disk, or in memory where there is no state
/// directory.
///
/// **Flash wears, and scanners are many**: records are written together, `pause` after the first of them, and no more than
/// `perSecond` on average are kept, of refusals `refusalsPerSecond`; those beyond are counted, and one record says how many. A gateway through which nothing goes
/// writes nothing. A disk that takes nothing stops nothing: what could not be written is counted, and named in status.
final class AuditLog: Sendable {
    private struct State {
        var bucket = TokenBucket(perSecond: AuditLog.perSecond, burst: AuditLog.burst)
        /// Refusals, which cost a stranger nothing, do not take the place of connections.
        var refusals = TokenBucket(perSecond: AuditLog.refusalsPerSecond, burst: AuditLog.refusalBurst)
        /// Since the last record that said so, and ever.
        var leftOut: UInt64 = 0
        var leftOutEver: UInt64 = 0
        var recorded: UInt64 = 0
        /// Lines that wait to be written.
        var pending: [UInt8] = []
        var isScheduled = false
        /// Without a disk: all lines.
        var kept: Deque<String> = []
        var keptByteCount = 0
        var problem: String?
        var unwritten: UInt64 = 0
    }

    private let state = NIOLockedValueBox(State())
    private let file: AuditFile?
    private let byteCount: Int
    /// Held while the file is used.
    private let writing = NIOLock()

    /// What a gateway carries at its busiest for a short time, and what it may write for ever: 20 records of 200 bytes are 350 MB a
    /// day, of which 8 MiB are there at a time.
    static let perSecond = 20
    static let burst = 1_000
    /// A scanner that never rests: 35 MB a day.
    static let refusalsPerSecond = 2
    static let refusalBurst = 200
    /// From the first record on: so many are written at once.
    static let pause = TimeAmount.seconds(5)
    /// Records that wait take no more; then those that come are left out.
    private static let mostPending = 512 << 10
    /// In memory fewer are kept.
    private static let mostInMemory = 1 << 20

    /// Records in a directory, or in memory for nil; nil when none are to be kept.
    init?(_ settings: AuditSettings, directory: String?) {
        guard let byteCount = settings.byteCount else { return nil }
        self.byteCount = byteCount
        file = directory.map { AuditFile(directory: $0, byteCount: byteCount) }
    }

    /// Takes a record.
    func record(_ record: AuditRecord, now: Instant, on eventLoop: any EventLoop) {
        let isFirst = state.withLockedValue { state -> Bool in
            let isKept =
                record.end == .refused ? state.refusals.take(now: now) : state.bucket.take(now: now)
            guard isKept, state.pending.count < Self.mostPending else {
                state.leftOut &+= 1
                state.leftOutEver &+= 1
                return schedule(&state)
            }
            noteLeftOut(&state, record.time)
            state.recorded &+= 1
            keep(AuditLine.text(record), &state)
            return schedule(&state)
        }
        guard isFirst else { return }
        eventLoop.scheduleTask(in: Self.pause) {
            NIOThreadPool.singleton.submit { _ in self.write() }
        }
    }

    private func schedule(_ state: inout State) -> Bool {
        guard !state.isScheduled else { return false }
        state.isScheduled = true
        return true
    }

    private func noteLeftOut(_ state: inout State, _ time: Timestamp) {
        guard state.leftOut > 0 else { return }
        var summary = AuditRecord(time: time, tunnel: "", role: .origin, end: .leftOut)
        summary.count = state.leftOut
        state.leftOut = 0
        keep(AuditLine.text(summary), &state)
    }

    private func keep(_ line: String, _ state: inout State) {
        guard file == nil else { return state.pending.append(contentsOf: line.utf8) }
        state.kept.append(line)
        state.keptByteCount += line.utf8.count
        // However small the size, the newest is there.
        while state.keptByteCount > min(byteCount, Self.mostInMemory), state.kept.count > 1,
            let oldest = state.kept.popFirst()
        {
            state.keptByteCount -= oldest.utf8.count
        }
    }

    /// Writes what waits. Blocks: not for an event loop.
    func write() {
        writing.withLock {
            let lines = state.withLockedValue { state -> [UInt8] in
                noteLeftOut(&state, .now())
                state.isScheduled = false
                defer { state.pending = [] }
                return state.pending
            }
            guard let file, !lines.isEmpty else { return }
            for piece in file.pieces(of: lines) {
                let problem = file.append(piece)
                state.withLockedValue { state in
                    state.problem = problem
                    if problem != nil { state.unwritten &+= UInt64(piece.count { $0 == UInt8(ascii: "\n") }) }
                }
            }
        }
    }

    /// The newest records, the oldest of them first.
    ///
    /// - Parameters:
    ///   - tunnel: of this one only; nil for all.
    ///   - since: that ended then or later.
    ///   - limit: how many at most.
    func records(tunnel: String?, since: Timestamp?, limit: Int) async throws -> [AuditRecord] {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            write()
            func isWanted(_ record: AuditRecord) -> Bool {
                (tunnel.map { $0 == record.tunnel || record.end == .leftOut } ?? true)
                    && (since.map { record.time >= $0 } ?? true)
            }
            // Under a lock only as long as it takes to have what does not change: event loops and the writer wait for these.
            if let file { return writing.withLock { file.reader() }.records(atMost: limit, where: isWanted) }
            var found: [AuditRecord] = []
            for line in state.withLockedValue({ $0.kept }).reversed() where found.count < limit {
                if let record = AuditLine.record(line.dropLast()), isWanted(record) { found.append(record) }
            }
            return found.reversed()
        }
    }

    /// How it stands.
    var status: AuditStatus {
        state.withLockedValue { state in
            AuditStatus(
                records: state.recorded, leftOut: state.leftOutEver, unwritten: state.unwritten,
                isOnDisk: file != nil, problem: state.problem)
        }
    }
}

/// What there is of audit records.
public struct AuditStatus: Sendable, Hashable, Codable {
    /// Records taken since the start.
    public var records: UInt64
    /// Records left out since the start, as there were too many at a time.
    public var leftOut: UInt64
    /// Records that could not be written.
    public var unwritten: UInt64
    /// Whether they are on the disk, or in memory until the gateway ends.
    public var isOnDisk: Bool
    /// Why the last ones could not be written; nil when they were.
    public var problem: String?

    private enum CodingKeys: String, CodingKey {
        case records, unwritten, problem
        case leftOut = "left_out"
        case isOnDisk = "on_disk"
    }
}
