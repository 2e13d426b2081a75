public import DXTunnel

/// Answers the control API from a gateway.
public struct GatewayControlTarget: ControlTarget {
    private let gateway: Gateway
    /// What the program's loggers obey.
    public let logs: LogLevelSwitch?
    /// What restarts the program without a break.
    public let restarts: (any RestartControl)?

    /// Answers from `gateway`.
    ///
    /// - Parameters:
    ///   - logs: what the program's loggers obey; nil: the API cannot change it.
    ///   - restarts: what restarts the program; nil: the API cannot.
    public init(_ gateway: Gateway, logs: LogLevelSwitch? = nil, restarts: (any RestartControl)? = nil) {
        self.gateway = gateway
        self.logs = logs
        self.restarts = restarts
    }

    /// A snapshot of the gateway.
    public func status() async throws -> GatewayStatus {
        do { return try await gateway.status() } catch { throw Self.controlError(error) }
    }

    /// The gateway itself.
    public var group: (any GroupControl)? { gateway }

    /// The gateway itself.
    public var match: (any MatchControl)? { gateway }

    /// The gateway itself.
    public var availability: (any AvailabilityControl)? { gateway }

    /// The gateway itself.
    public var audit: (any AuditControl)? { gateway }

    /// The gateway itself.
    public var events: (any EventControl)? { gateway }

    /// The gateway itself.
    public var rehearsals: (any RehearsalControl)? { gateway }

    /// The gateway itself.
    public var traces: (any TraceControl)? { gateway }

    /// One round trip to a peer.
    public func ping(peer: String) async throws -> Duration {
        do { return try await gateway.ping(peer) } catch { throw Self.controlError(error) }
    }

    static func controlError(_ error: any Error) -> any Error {
        if let error = error as? GroupError {
            let code: ControlError.Code =
                switch error.code {
                case .noGroup: .noGroup
                case .notAdmin: .notAdmin
                case .badRequest: .badRequest
                case .notFound: .notFound
                case .conflict: .conflict
                case .notConnected: .notConnected
                case .timedOut: .timedOut
                case .failed: .failed
                }
            return ControlError(code: code, message: error.message, hint: error.hint)
        }
        guard let error = error as? GatewayError else { return error }
        let (code, message, hint): (ControlError.Code, String, String) =
            switch error {
            case .unknownPeer(let name): (.unknownPeer, "there is no peer \(name)", "dxgateway peers lists them")
            case .notConnected(let name): (.notConnected, "\(name) is not connected", "dxgateway status says why")
            case .noAnswer(let name): (.timedOut, "\(name) did not answer in time", "dxgateway status shows the path")
            case .unknownTunnel(let name):
                (.notFound, "there is no tunnel \(name) that begins at this gateway", "dxgateway tunnel list shows all")
            case .notADestination(let name, let tunnel):
                (.notFound, "\(name) is no destination of the tunnel \(tunnel)", "dxgateway tunnel show \(tunnel)")
            case .connectionLimit: (.conflict, "\(error)", "end some, or raise the tunnel's limit")
            case .exhausted: (.conflict, "\(error)", "dxgateway status says how much is in use")
            case .isUDP: (.conflict, "\(error)", "dxgateway tunnel show says where")
            case .tooManyListeners: (.conflict, "\(error)", "end one of them")
            case .tracing: (.conflict, "\(error)", "end that trace first, or wait until it is over")
            case .tooManyTraces: (.conflict, "\(error)", "end one of them")
            case .unknownPath:
                (.notFound, "\(error)", "name an address of either end, with or without its port, or an interface")
            case .rehearsalRefused: (.conflict, "\(error)", "--force cuts it all the same")
            case .rehearsalTooLong(_, _, let longest):
                (
                    .conflict, "\(error)",
                    (longest > 0 ? "say --seconds \(longest), or " : "")
                        + "raise limits: liveness at both gateways, or the hold of every tunnel between them"
                )
            case .draining:
                (.conflict, "\(error)", "if it is not to stop, dxgateway drain --end takes connections again")
            case .rehearsing:
                (.conflict, "\(error)", "dxgateway rehearse stop ends its cut; it is over a few seconds later")
            case .notRunning: (.notReady, "the gateway is starting or stopping", "ask again in a moment")
            case .invalidConfiguration, .keyFile, .listen, .system:
                (.failed, "\(error)", "see the gateway's log")
            }
        return ControlError(code: code, message: message, hint: hint)
    }
}
