/// Rehearsals: a path or a peer is cut on a running gateway, and what applications felt is told (`docs/rehearse.md`).
extension Gateway {
    /// What would be cut, and what stands by. Does nothing.
    ///
    /// - Parameter seconds: for how long, 1 to `RehearsalPlan.maximumSeconds`; others are taken as the nearest of these.
    /// - Throws: `GatewayError.notRunning`, `unknownPeer`, `notConnected`, `unknownPath`, `rehearsalTooLong`.
    public func rehearsalPlan(_ target: RehearsalTarget, seconds: Int) async throws -> RehearsalPlan {
        let seconds = Self.allowed(seconds)
        let plans = try await onEachLoop { try $0.planRehearsal(target, seconds: seconds)?.plan }
        guard let plan = plans.compactMap({ $0 }).first else { throw GatewayError.unknownPeer(target.peer) }
        return plan
    }

    /// Cuts a peer or a path off for so long: nothing leaves for it, and nothing that comes from it is taken, at this gateway.
    /// Returns when it has begun; `rehearsal` tells how it goes. The gateway restores it by itself when the time is over.
    ///
    /// - Parameters:
    ///   - seconds: for how long, 1 to `RehearsalPlan.maximumSeconds`; others are taken as the nearest of these.
    ///   - isForced: also when open connections would come to harm.
    /// - Throws: as `rehearsalPlan`; `rehearsalRefused` when nothing stands by for open connections; `draining`; `rehearsing` while
    ///   another one goes on.
    public func rehearse(
        _ target: RehearsalTarget, seconds: Int, isForced: Bool = false
    ) async throws -> RehearsalPlan {
        let seconds = Self.allowed(seconds)
        let plans = try await onEachLoop { try $0.beginRehearsal(target, seconds: seconds, isForced: isForced) }
        guard let plan = plans.compactMap({ $0 }).first else { throw GatewayError.unknownPeer(target.peer) }
        return plan
    }

    /// The rehearsal that goes on, or else the last one; nil when there was none since the start.
    public var rehearsal: RehearsalReport? { rehearsals.report }

    /// Ends the cut at once; false when none goes on.
    ///
    /// - Throws: `GatewayError.notRunning`.
    public func stopRehearsal() async throws -> Bool {
        try await onEachLoop { $0.stopRehearsal() }.contains(true)
    }

    private static func allowed(_ seconds: Int) -> Int { min(max(seconds, 1), RehearsalPlan.maximumSeconds) }
}
