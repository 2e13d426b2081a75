import DXWire

/// The seal of what gateways of a group say to all of a network (`docs/matchmaking.md` §10): noise to whoever has not the epoch's
/// secret, and no two datagrams alike. Which of the members made it, it does not say.
public struct LANSeal: Sendable {
    private let seal: RandomNonceSeal

    /// The size that it adds, in bytes.
    public static let overhead = RandomNonceSeal.overhead

    /// That of an epoch.
    public init(_ secret: VeilSecret) {
        seal = RandomNonceSeal(key: secret.bytes.derived(salt: "dx lan 1", info: [], count: 16))
    }

    /// The datagram of a message. Throws `packetSize` when it is empty, `cryptography` when OpenSSL fails.
    public func seal(_ message: RawSpan) throws(SecureError) -> [UInt8] { try seal.seal(message) }

    /// The message in a datagram; nil when it was not sealed by this.
    public func open(_ datagram: RawSpan) -> [UInt8]? { seal.open(datagram) }
}
