/// What stands for a way through another member, where an address is wanted (`docs/wire-format.md` §6.13).
extension Endpoint {
    /// The first half of 100::/64, IPv6's discard prefix (RFC 6666).
    private static let discardPrefix: UInt64 = 0x0100_0000_0000_0000

    /// The endpoint that stands for the way with this number, which means something inside one gateway only. It lies in the discard
    /// prefix, where no host is; `isSendable` says no to it, so that one which comes over the network, in a blob or from a file is
    /// refused like any other that nothing can be sent to.
    public static func forwarded(number: UInt64) -> Endpoint {
        Endpoint(v6High: discardPrefix, low: number, port: 1)
    }

    /// Whether it stands for a way through another member. Nothing goes to a socket for such, and nothing from a socket is taken for it.
    public var isForwarded: Bool { high == Self.discardPrefix && family == .v6 }
}
