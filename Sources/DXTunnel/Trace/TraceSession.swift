import DXStream
import DXWire

/// A trace of one channel, on the gateway's event loop.
///
/// Nothing is handed out: whoever reads comes and takes what the channel has noted meanwhile, so a reader that is late costs nothing
/// but the memory of `MessageChannel.usualTraceLimit`.
final class TraceSession {
    private let channel: PeerChannel
    private let wantsAddresses: Bool
    private let slots: TraceSlots
    private var isOver = false
    /// Where paths lead, of all that there were: a path, or the channel, may have ended when what became of it is read.
    private var known: [PathID: QlogText.Ends] = [:]

    /// What a reader gets when it comes.
    struct Part: Sendable {
        var batch: TraceBatch
        var ends: [PathID: QlogText.Ends] = [:]
        /// The path in use.
        var path: PathID
        var now: Instant
        /// The channel has ended: nothing more will come.
        var isLast: Bool
    }

    /// Begins; the slot was taken.
    init(_ channel: PeerChannel, wantsAddresses: Bool, slots: TraceSlots) {
        self.channel = channel
        self.wantsAddresses = wantsAddresses
        self.slots = slots
        channel.transport.startTrace(now: channel.now)
        if wantsAddresses { for session in channel.sessions { known[session.pathID] = Self.ends(of: session) } }
    }

    /// What has happened since it was asked last; nil when the trace is over.
    ///
    /// - Parameter isLast: the reader wants no more.
    func take(isLast: Bool) -> Part? {
        guard !isOver, let batch = channel.transport.takeTrace() else { return nil }
        let hasEnded = channel.end != nil
        var part = Part(
            batch: batch, path: channel.transport.activePath ?? PathID(rawValue: 0), now: channel.now, isLast: hasEnded)
        if wantsAddresses { part.ends = ends(in: batch) }
        if isLast || hasEnded { stop() }
        return part
    }

    /// Ends the trace.
    func stop() {
        guard !isOver else { return }
        isOver = true
        channel.transport.stopTrace()
        slots.release()
    }

    /// Of the paths that something became of; as they are now, where they are still there.
    private func ends(in batch: TraceBatch) -> [PathID: QlogText.Ends] {
        var result: [PathID: QlogText.Ends] = [:]
        for record in batch.records {
            guard case .path = record.event, result[record.path] == nil else { continue }
            if let session = channel.session(of: record.path) { known[record.path] = Self.ends(of: session) }
            result[record.path] = known[record.path]
        }
        // What has ended was told of, at the latest now.
        known = known.filter { channel.session(of: $0.key) != nil }
        return result
    }

    /// nil for a way through another member, which has no addresses.
    private static func ends(of session: ChannelSession) -> QlogText.Ends? {
        session.remote.isForwarded ? nil : QlogText.Ends(local: session.local, remote: session.remote)
    }
}

@available(*, unavailable)
extension TraceSession: Sendable {}
