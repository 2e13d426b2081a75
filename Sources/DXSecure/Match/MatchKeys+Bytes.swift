import DXWire

/// How a gateway keeps the keys of its ticket over a restart (`docs/matchmaking.md` §3).
extension MatchKeys {
    /// The keys with these 64 bytes; nil unless there are as many.
    public convenience init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(unsafe SecretBytes(bytes.span.bytes))
    }

    /// The 64 bytes, for a file that only its owner may read.
    public var secretBytes: [UInt8] {
        bytes.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }
}
