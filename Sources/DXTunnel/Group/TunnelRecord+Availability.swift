import DXWire

/// Health checks, choice and patience, as operators write them.
extension TunnelRecord {
    /// Takes them from a request.
    mutating func readAvailability(_ request: TunnelRequest) throws(GroupError) {
        if let text = request.health {
            guard let kind = GatewayConfiguration.HealthCheck.Kind(text) else {
                throw GroupError(
                    .badRequest, "\"\(text)\" is no health check", "write tcp, http:/path or command:NAME")
            }
            var check = GatewayConfiguration.HealthCheck(kind)
            if let time = request.healthIntervalMilliseconds { check.interval = .milliseconds(time) }
            if let time = request.healthTimeoutMilliseconds { check.timeout = .milliseconds(time) }
            check.rise = request.healthRise ?? check.rise
            check.fall = request.healthFall ?? check.fall
            if let fault = check.fault {
                throw GroupError(.badRequest, "the health check has \(fault)", "see docs/ha.md for what it may have")
            }
            switch check.kind {
            case .tcp, .http:
                guard networkProtocol == .tcp else {
                    throw GroupError(
                        .badRequest, "the target of a UDP tunnel takes no connections",
                        "leave health out, or write command:NAME, a program that asks it")
                }
                healthCheck = check
            case .command: healthCheck = check
            }
        }
        isSticky = request.sticky ?? false
        switch request.failback {
        case nil: break
        case "manual": failback = .manual
        case let text?:
            guard let time = Int64(text), (0...3_600_000).contains(time) else {
                throw GroupError(
                    .badRequest, "\"\(text)\" is no failback", "give milliseconds up to 3600000, or manual")
            }
            failback = .after(.milliseconds(time))
        }
        hold = try GroupAgent.number(request.holdSeconds, "hold_s", 1...86_400).map { .seconds($0) }
    }

    /// Writes them as they would be asked for.
    func writeAvailability(to request: inout TunnelRequest) {
        if let check = healthCheck {
            request.health = "\(check.kind)"
            request.healthIntervalMilliseconds = Int(clamping: Interval(check.interval).milliseconds)
            request.healthTimeoutMilliseconds = Int(clamping: Interval(check.timeout).milliseconds)
            (request.healthRise, request.healthFall) = (check.rise, check.fall)
        }
        if isSticky { request.sticky = true }
        switch failback {
        case nil: break
        case .manual: request.failback = "manual"
        case .after(let time): request.failback = String(Interval(time).milliseconds)
        }
        request.holdSeconds = hold.map { Int(clamping: $0.components.seconds) }
    }
}
