/// Where a gateway's identity key comes from. The text form never shows the key.
public enum IdentitySource: Hashable, Sendable, CustomStringConvertible {
    /// A PKCS#8 PEM file, mode 0600, as `dxgateway keygen --out` writes it.
    case file(path: String)
    /// The same PEM text, held by the embedding program.
    case pem(String)

    /// The path, or that the key is in memory.
    public var description: String {
        switch self {
        case .file(let path): path
        case .pem: "(in memory)"
        }
    }
}

/// Where a veil secret, the key that the gateways of one network share, comes from. The text form never shows it.
public enum VeilSource: Hashable, Sendable, CustomStringConvertible {
    /// A file of one line, `dxveil1:` and base64url of 32 bytes, mode 0600, as `dxgateway keygen --veil --out` writes it.
    case file(path: String)
    /// The 32 bytes, held by the embedding program.
    case secret([UInt8])

    /// The path, or that the secret is in memory.
    public var description: String {
        switch self {
        case .file(let path): path
        case .secret: "(in memory)"
        }
    }
}
