public import DXWire

/// Limits and times of a `SecureEndpoint`. The defaults are what a gateway uses.
public struct SecureConfiguration: Sendable {
    /// How long a handshake may take, from `connect` or the first CONNECT to the last flight, before it fails.
    public var handshakeTimeout: Interval = .seconds(10)
    /// The wait before a first retransmission; it doubles up to `maximumRetransmission`, plus up to a quarter of jitter.
    /// 150 ms is longer than most paths' round trip and short for a person.
    public var firstRetransmission: Interval = .milliseconds(150)
    /// The longest wait between retransmissions.
    public var maximumRetransmission: Interval = .milliseconds(2_400)
    /// How many handshakes, of both roles together, may be in progress. At the limit `connect` throws and a CONNECT is
    /// dropped and counted. One costs about 60 kB.
    public var maximumHandshakes = 256
    /// How many HELLO and CONNECT signatures are checked per second for one address prefix (IPv4 /24, IPv6 /48), on
    /// average. One check costs about 0.15 ms of CPU.
    public var signatureChecksPerSecond = 128
    /// How many may be checked at once after a pause: a fleet behind one NAT reconnects together.
    public var signatureCheckBurst = 256
    /// How many HELLO signatures, and as many CONNECT signatures, are checked per second for all addresses together, on
    /// average; twice as many at once. 1,000 take about 15 % of a core, and let 500 peers connect in a second.
    public var totalSignatureChecksPerSecond = 1_000
    /// The age at which a session wants to be replaced.
    public var rekeyInterval: Interval = .seconds(3_600)
    /// The records sealed, or tried to open, after which a session wants to be replaced. AES-GCM's limits (RFC 9147
    /// §4.5.3) lie well above.
    public var rekeyRecords: UInt64 = 1 << 28
    /// Whether ChaCha20-Poly1305 is preferred to AES-128-GCM; nil means when this CPU does not accelerate AES.
    public var prefersChaCha: Bool?

    /// The defaults.
    public init() {}

    /// The same for one of so many event loops, which together keep the limits of all: at least an eighth for each, as
    /// its peers may be those that come together.
    public func part(of loopCount: Int) -> SecureConfiguration {
        var part = self
        let divisor = min(max(1, loopCount), 8)
        part.maximumHandshakes = max(1, maximumHandshakes / divisor)
        part.totalSignatureChecksPerSecond = max(1, totalSignatureChecksPerSecond / divisor)
        return part
    }
}
