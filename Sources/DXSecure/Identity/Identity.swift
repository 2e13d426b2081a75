public import DXWire

/// A gateway's P-256 key pair. Immutable; may be shared between threads.
public final class Identity: Sendable {
    /// The gateway's name on the network.
    public let gatewayID: GatewayID
    /// The public half.
    public let publicKey: PublicKey

    init(gatewayID: GatewayID, publicKey: PublicKey) {
        self.gatewayID = gatewayID
        self.publicKey = publicKey
    }

    /// A new key pair.
    public static func generate() throws(SecureError) -> Identity { fatalError() }

    /// Reads a PKCS#8 PEM file that only its owner can read, in a directory that only its owner can write.
    public static func read(from path: String) throws(KeyFileError) -> Identity { fatalError() }

    /// Writes a PKCS#8 PEM file, mode 0600, by a temporary file, fsync and rename. Replaces what is there.
    public func write(to path: String) throws(KeyFileError) { fatalError() }

    /// ECDSA over SHA-256 of `message`.
    public func sign(_ message: RawSpan) throws(SecureError) -> Signature { fatalError() }
}
