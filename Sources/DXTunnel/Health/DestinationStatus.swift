/// A destination of a tunnel, as an origin sees it.
public struct DestinationStatus: Sendable, Hashable, Codable {
    /// What becomes of new connections there.
    public enum State: String, Sendable, Hashable, Codable {
        /// They go there when it is its turn.
        case ready
        /// It failed and is well again: it waits until it is trusted (`waitSeconds`), or for `dxgateway tunnel failback`.
        case recovering
        /// Its channel does not answer.
        case silent
        /// It says that its target is down.
        case down
        /// It is about to stop.
        case leaving
        /// It is not connected, or has not activated the tunnel.
        case away

        /// Whether connections there would fail, as far as is known.
        var isOutOfUse: Bool {
            switch self {
            case .ready, .recovering, .silent: false
            case .down, .leaving, .away: true
            }
        }
    }

    /// The name of its gateway.
    public var gateway: String
    /// What becomes of new connections there.
    public var state: State
    /// What it says of its target: `unknown`, `up` or `down`.
    public var target: String
    /// Why the target is down.
    public var reason: String?
    /// Lower ones first.
    public var order: UInt64
    /// Its part among those of one order.
    public var weight: UInt64
    /// How long it must still be well before it is used again.
    public var waitSeconds: Double?
    /// How often it failed within ten minutes.
    public var failures: Int

    private enum CodingKeys: String, CodingKey {
        case gateway, state, target, reason, order, weight, failures
        case waitSeconds = "wait_seconds"
    }
}

/// What a destination knows of its target.
public struct TargetHealthStatus: Sendable, Hashable, Codable {
    /// Whether the target takes connections.
    public enum State: String, Sendable, Hashable, Codable {
        /// Nothing is known.
        case unknown
        /// It does.
        case up
        /// It does not.
        case down
    }

    /// Whether the target takes connections.
    public var state: State
    /// Why it is down, or why the last check failed, or why it cannot be checked.
    public var reason: String?
    /// How it is checked, as `tcp`, `http:/health`, `command:NAME`; nil: by the connections alone.
    public var check: String?
}

extension TargetHealthStatus.State {
    init(_ state: TargetHealth.State) {
        switch state {
        case .unknown: self = .unknown
        case .up: self = .up
        case .down: self = .down
        }
    }
}
