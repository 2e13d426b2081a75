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
        var relays: [(own: CInt, other: CInt)] = []
        for _ in 0..<count {
            var ends: [CInt] = [-1, -1]
            guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
            else {
                for relay in relays { _ = (close(relay.own), close(relay.other)) }
                throw GatewayError.system("there are no file descriptors to leave anything with")
            }
            relays.append((ends[0], ends[1]))
        }
        try await announceSuccession()
        var bequest = Bequest(loopCount: count)
        for (number, relay) in relays.enumerated() {
            bequest = try await onLoop(number) { [bequest] core, promise in
                var bequest = bequest
                let ended = core.yield(to: &bequest)
                let result = bequest
                ended.map { result }.cascade(to: promise)
            }
            bequest.relays.append(bequest.add(relay.other))
            try await onLoop(number) { core, promise in
                let bound = NIOLoopBound(core, eventLoop: core.eventLoop)
                RelayReader.open(relay.own, for: core) { bound.value.successorEnded() }.map { _ in }.cascade(
                    to: promise)
            }
        }
        await giveUpShared()
        return bequest
    }

    private func announceSuccession() async throws {
        for number in try await onEachLoop({ $0.share.number }) {
            try await onLoop(number) { core, promise in core.announceSuccession().cascade(to: promise) }
        }
    }

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
