/// Counts of one end of one tunnel, and what keeps it within its rate. Bound to the gateway's event loop.
///
/// "From the client" is from the application towards this gateway at an origin, from the target at a destination.
final class TunnelUsage {
    /// What every connection asks before it sends; nil in a tunnel without a rate.
    let limiter: TunnelLimiter?
    private(set) var open = 0
    private(set) var total: UInt64 = 0
    private(set) var bytesIn: UInt64 = 0
    private(set) var bytesOut: UInt64 = 0
    var refused: UInt64 = 0
    var lastError: String?

    init(limiter: TunnelLimiter? = nil) { self.limiter = limiter }

    /// A connection began.
    func opened() {
        open += 1
        total &+= 1
    }
    /// A connection ended.
    func closed() { open -= 1 }
    /// Bytes came from the application beside this gateway.
    func countFromClient(_ count: Int) { bytesIn &+= UInt64(count) }
    /// Bytes went to the application beside this gateway.
    func countToClient(_ count: Int) { bytesOut &+= UInt64(count) }
    /// A connection or an activation failed.
    func refuse(_ reason: String) {
        refused &+= 1
        lastError = reason
    }
}

@available(*, unavailable)
extension TunnelUsage: Sendable {}
