public import DXWire

/// A P-256 public key as a compressed point (SEC 1 §2.3.3): 33 bytes on the wire. Reading one does not check that it is
/// on the curve; `gatewayID` and `isValid` do.
public struct PublicKey: Hashable, Sendable, BitwiseCopyable {
    /// The gateway id of this key, or nil when the bytes are no point of the curve.
    public var gatewayID: GatewayID? { fatalError() }

    /// Whether `signature` over `message` was made with this key.
    public func isValid(_ signature: Signature, for message: RawSpan) -> Bool { fatalError() }
}

/// An ECDSA P-256 signature: r and s, 32 bytes each.
public struct Signature: Equatable, Sendable, BitwiseCopyable {}
