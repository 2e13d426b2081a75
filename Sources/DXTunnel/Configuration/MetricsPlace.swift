/// Where `dxgateway run` serves figures for Prometheus and its kind (`docs/metrics.md`).
public enum MetricsPlace: Sendable, Hashable {
    /// At `standardAddress`, when that is free: a second gateway on one host does without.
    case standard
    /// There. An empty host is every address of the host; port 0 is a random one, which the log tells.
    case at(HostAddress)
    /// Nowhere.
    case off

    /// On loopback only: names of peers and tunnels concern nobody else.
    public static let standardAddress = HostAddress(host: "127.0.0.1", port: 9478)
}
