/// Why a gateway could not start, or a command to it failed. The description is for the user and says what to do.
public enum GatewayError: Error, Hashable, Sendable {
    /// The configuration does not hold together; all problems, one line each.
    case invalidConfiguration([String])
    /// A key file cannot be used.
    case keyFile(String)
    /// An address to listen on cannot be had.
    case listen(String)
    /// The gateway does not run.
    case notRunning
    /// There is no such peer.
    case unknownPeer(String)
    /// The peer is not connected.
    case notConnected(String)
    /// This gateway is not that end of a tunnel of that name.
    case unknownTunnel(String)
    /// The tunnel does not lead to that member.
    case notADestination(String, tunnel: String)
    /// The tunnel carries datagrams, and has no connections.
    case isUDP(String)
    /// The peer did not answer in time.
    case noAnswer(String)
    /// As many connections are open as may be.
    case connectionLimit(String)
    /// The gateway is at a limit of its memory or file descriptors; why, in words.
    case exhausted(String, tunnel: String)
    /// As many follow the gateway's events as may: how many.
    case tooManyListeners(Int)
    /// The channel to a peer is traced already.
    case tracing(String)
    /// As many channels are traced as may be: how many.
    case tooManyTraces(Int)
    /// No path to a peer is meant by these words.
    case unknownPath(String)
    /// Nothing was cut, as open connections would come to harm: which. It may be forced.
    case rehearsalRefused(String)
    /// Nothing was cut: the connections with that peer end after so many seconds of silence, and it may be cut for so many at most;
    /// 0 when for none.
    case rehearsalTooLong(String, silence: Int, longest: Int)
    /// The gateway is draining: it is about to stop.
    case draining
    /// Another rehearsal goes on: what it cuts.
    case rehearsing(String)
    /// The system or its OpenSSL failed.
    case system(String)
}

extension GatewayError: CustomStringConvertible {
    /// What happened and what to do.
    public var description: String {
        switch self {
        case .invalidConfiguration(let problems): problems.joined(separator: "\n")
        case .keyFile(let text), .listen(let text), .system(let text): text
        case .notRunning: "the gateway does not run"
        case .unknownPeer(let name): "there is no peer \(name): `dxgateway peers` lists them"
        case .notConnected(let name): "\(name) is not connected: `dxgateway status` says why"
        case .unknownTunnel(let name): "there is no tunnel \(name) with that end here: check the configuration"
        case .notADestination(let name, let tunnel): "\(name) is no destination of the tunnel \(tunnel)"
        case .isUDP(let name): "tunnel \(name) is of UDP: send datagrams to where it listens"
        case .noAnswer(let name): "\(name) did not answer"
        case .tooManyListeners(let count): "\(count) follow the gateway's events already"
        case .tracing(let name): "the channel to \(name) is traced already"
        case .tooManyTraces(let count): "\(count) channels are traced already"
        case .unknownPath(let text), .rehearsalRefused(let text): text
        case .rehearsalTooLong(let name, let silence, let longest):
            "connections with \(name) end after \(silence) s of silence: "
                + (longest > 0 ? "it may be cut for \(longest) s at most" : "too soon for any rehearsal")
        case .draining: "the gateway is draining, and about to stop"
        case .rehearsing(let what): "another rehearsal goes on, of \(what)"
        case .connectionLimit(let name): "tunnel \(name) has as many connections open as it may"
        case .exhausted(let reason, let name): "tunnel \(name) takes no connection now: \(reason)"
        }
    }
}
