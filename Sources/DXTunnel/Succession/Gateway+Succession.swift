import DXSocket
import Glibc
import NIOCore

/// Restarting without a break: one start of a gateway takes over from another (`docs/restart.md`).
extension Gateway {
    /// Leaves everything but its open connections to another start of itself: sockets, listeners, the state directory. From then on
    /// this one only serves those connections; `drain`, then a graceful shutdown end it. It ends by itself when the other one does.
    ///
    /// - Throws: `GatewayError.notRunning`; `GatewayError.system` when there are no file descriptors for it. Nothing has changed then.
    package func bequeath() async throws -> Bequest {
        let count = try await onEachLoop { $0.share.number }.count
        var bequest = Bequest(loopCount: count)
        do {
            // What can fail comes first.
            for number in 0..<count { try await prepare(number, &bequest) }
            try await announceSuccession(count)
        } catch {
            // The relays' ends with it, which end those of this start.
            for descriptor in bequest.descriptors { close(descriptor) }
            throw error
        }
        for number in 0..<count {
            bequest = try await onLoop(number) { [bequest] core, promise in
                var bequest = bequest
                let ended = core.yield(to: &bequest)
                let result = bequest
                ended.map { result }.cascade(to: promise)
            }
        }
        await giveUpShared()
        return bequest
    }

    /// Duplicates the event loop's sockets, and opens the stream for datagrams of its sessions.
    private func prepare(_ number: Int, _ bequest: inout Bequest) async throws {
        let sockets = try await onLoop(number) { core, promise in
            promise.completeWith(Result { try core.leaveSockets() })
        }
        for socket in sockets {
            bequest.sockets.append(
                Bequest.Socket(loop: number, stripe: socket.stripe, place: bequest.add(socket.descriptor)))
        }
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw GatewayError.system("there are no file descriptors to leave anything with")
        }
        let (own, other) = (ends[0], ends[1])
        bequest.relays.append(bequest.add(other))
        try await onLoop(number) { core, promise in
            let bound = NIOLoopBound(core, eventLoop: core.eventLoop)
            RelayReader.open(own, for: core) { bound.value.successorEnded() }.map { _ in }.cascade(to: promise)
        }
    }

    /// On all event loops at once: each waits for the slowest of its peers.
    private func announceSuccession(_ count: Int) async throws {
        try await withThrowingTaskGroup { group in
            for number in 0..<count {
                group.addTask {
                    try await self.onLoop(number) { core, promise in core.announceSuccession().cascade(to: promise) }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Whether it takes no new connections, because it is about to stop.
    package func isDraining() async throws -> Bool { try await onEachLoop { $0.isDraining }.contains(true) }

    /// How many event loops a gateway of this configuration has on this host.
    package static func threadCount(_ configuration: GatewayConfiguration) -> Int {
        LoopPlan(configuration, coreCount: System.coreCount).loopCount
    }

    /// Connections that are open, at both ends of tunnels together.
    package func openConnections() async throws -> Int { try await onEachLoop { $0.unfinishedCount }.reduce(0, +) }

    /// Takes over from another start when it runs, which must be soon. To be called before `run`.
    ///
    /// - Throws: `GatewayError.system` when the other start had another number of event loops.
    package func inherit(_ inheritance: Inheritance) throws { try setInheritance(inheritance) }
}
