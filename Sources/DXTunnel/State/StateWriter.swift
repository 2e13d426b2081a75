import DXSecure
import NIOCore
import NIOPosix

/// Writes a gateway's state on a thread that may wait for the disk, one file after the other in the order in which they were
/// given, so that an event loop never does. Bound to its event loop.
///
/// Of several states of one file that wait, the newest is written.
final class StateWriter {
    private let directory: StateDirectory
    private let eventLoop: any EventLoop
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var waiting: [Job] = []
    private var isBusy = false

    private enum Content: Sendable {
        case group(GroupFile, [EpochSecret])
        case invites(InviteBook)
        case reach(SecretBytes)

        /// Whether one that comes later makes this one needless.
        func isReplaced(by other: Content) -> Bool {
            switch (self, other) {
            case (.group, .group), (.invites, .invites), (.reach, .reach): true
            case (.group, _), (.invites, _), (.reach, _): false
            }
        }
    }

    private struct Job {
        var content: Content
        var promise: EventLoopPromise<Void>
    }

    /// A writer for a directory that is locked.
    init(_ directory: StateDirectory, on eventLoop: any EventLoop) {
        self.directory = directory
        self.eventLoop = eventLoop
        pool.start()
    }

    /// Where the group's root key is, if it is here.
    var rootKeyPath: String { directory.rootKeyPath }

    /// The group's root key; nil when it is not here. Reads a small file.
    func rootKey() throws(StateProblem) -> Identity? { try directory.rootKey() }

    /// Writes what the gateway knows of its group, and before it the secrets that are not on the disk yet: all of them each time,
    /// as a later one of these takes the place of one that waits. The future fails with `StateProblem`.
    func save(_ group: GroupFile, epochs: [EpochSecret]) -> EventLoopFuture<Void> { enqueue(.group(group, epochs)) }

    /// Writes the gateway's invitations.
    func save(_ invites: InviteBook) -> EventLoopFuture<Void> { enqueue(.invites(invites)) }

    /// Writes where members were reached, as `ReachFile.bytes` gives it.
    func save(reach content: SecretBytes) -> EventLoopFuture<Void> { enqueue(.reach(content)) }

    /// Writes what waits, and ends.
    func finish() -> EventLoopFuture<Void> {
        let last = waiting.last?.promise.futureResult ?? running ?? eventLoop.makeSucceededVoidFuture()
        let ended = eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        last.whenComplete { _ in bound.value.pool.shutdownGracefully { _ in ended.succeed() } }
        return ended.futureResult
    }

    private var running: EventLoopFuture<Void>?

    private func enqueue(_ content: Content) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        if let index = waiting.firstIndex(where: { $0.content.isReplaced(by: content) }) {
            // Whoever waits for the older state waits for the newer one, which holds it.
            promise.futureResult.cascade(to: waiting[index].promise)
            waiting.remove(at: index)
        }
        waiting.append(Job(content: content, promise: promise))
        next()
        return promise.futureResult
    }

    private func next() {
        guard !isBusy, !waiting.isEmpty else { return }
        isBusy = true
        let job = waiting.removeFirst()
        let content = job.content
        running = job.promise.futureResult
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        pool.runIfActive(eventLoop: eventLoop) { [directory] in
            switch content {
            case .group(let group, let epochs):
                for epoch in epochs { try directory.add(epoch) }
                try directory.save(group)
            case .invites(let invites): try directory.save(invites)
            case .reach(let content): try directory.save(reach: content)
            }
        }.whenComplete { result in
            bound.value.isBusy = false
            job.promise.completeWith(result)
            bound.value.next()
        }
    }
}

@available(*, unavailable)
extension StateWriter: Sendable {}
