/// Where `dxgateway run` serves figures for Prometheus and its kind (`docs/metrics.md`), and the dashboard (`docs/dashboard.md`).
public enum MetricsPlace: Sendable, Hashable {
    /// At `standardAddress`, when that is free: a second gateway on one host does without.
    case standard
    /// There. An empty host is every address of the host; port 0 is a random one, which the log tells.
    case at(HostAddress, MetricsAccess = MetricsAccess())
    /// Nowhere.
    case off

    /// On loopback only: names of peers and tunnels concern nobody else.
    public static let standardAddress = HostAddress(host: "127.0.0.1", port: 9478)
}

/// Who may read what is served there.
public struct MetricsAccess: Sendable, Hashable {
    /// The file with the token that is asked for, of mode 0600; nil: none is.
    public var tokenFile: String?
    /// The names by which it may be asked for, besides addresses and `localhost`. None: on the loopback no other, else any.
    public var hosts: [String]

    /// What is said of it.
    public init(tokenFile: String? = nil, hosts: [String] = []) {
        self.tokenFile = tokenFile
        self.hosts = hosts
    }
}
