import DXWire

/// The group-keyed seal around everything that is not session data (`docs/wire-format.md` §3): noise to whoever lacks
/// the group key.
///
/// Holds one or two secrets, so that a group key can be changed without a gap: the second one is what others may still
/// use. Opening costs at most one AES-GCM pass per secret. Owned by one `SecureEndpoint`.
struct Veil {
    /// The number of secrets.
    let count: Int
    private let secrets: [VeilSecret]
    private let opening: [VeilCipher]
    private var sealing: [SealingKey: VeilCipher] = [:]
    private var filter = NonceFilter()

    /// A sealing cipher takes about 1 kB and 10 microseconds to make; when so many are kept they are all given up, which
    /// only costs time.
    private static let maximumSealing = 1_024

    private struct SealingKey: Hashable {
        var veil: Int
        var receiver: GatewayID
    }

    /// What came of a datagram.
    enum Opened: Equatable {
        /// The message was appended; it was sealed under the secret with this number and with this nonce.
        case opened(veil: Int, nonce: VeilNonce)
        /// It is none of ours: wrong size, or no key opens it.
        case notVeiled
        /// Its nonce was seen before.
        case repeatedNonce
    }

    /// The veil of the gateway `receiver`. Throws `veilCount` unless there are one or two secrets.
    init(_ secrets: [VeilSecret], receiver: GatewayID) throws(SecureError) {
        guard 1...2 ~= secrets.count else { throw .veilCount }
        var opening: [VeilCipher] = []
        for secret in secrets { opening.append(try VeilCipher(secret, receiver: receiver, .open)) }
        precondition(opening.count <= SecureConstants.maximumOpens, "one datagram costs few opens")
        self.secrets = secrets
        self.opening = opening
        count = secrets.count
    }

    /// Appends the message of `datagram` to `output`, which must have room for `maximumVeiled` bytes. Never traps.
    @_lifetime(output: copy output)
    mutating func open(_ datagram: RawSpan, into output: inout OutputRawSpan) -> Opened {
        var reader = ByteReader(datagram)
        guard SecureConstants.minimumVeiled...SecureConstants.maximumVeiled ~= datagram.byteCount,
            let nonce = try? VeilNonce(reading: &reader)
        else { return .notVeiled }
        // Only nonces of datagrams that opened are remembered, so a stranger cannot fill the filter.
        if filter.contains(nonce) { return .repeatedNonce }
        for veil in 0..<opening.count where opening[veil].open(datagram, into: &output) {
            filter.insert(nonce)
            return .opened(veil: veil, nonce: nonce)
        }
        return .notVeiled
    }

    /// Appends the datagram that carries `message` to `receiver` under the secret with the number `veil`. The output
    /// must have room for `veilOverhead` more bytes than the message.
    @_lifetime(output: copy output)
    mutating func seal(
        _ message: RawSpan, nonce: VeilNonce, to receiver: GatewayID, veil: Int, into output: inout OutputRawSpan
    ) throws(SecureError) {
        let key = SealingKey(veil: veil, receiver: receiver)
        if let cipher = sealing[key] { return try cipher.seal(message, nonce: nonce, into: &output) }
        let cipher = try VeilCipher(secrets[veil], receiver: receiver, .seal)
        if sealing.count >= Self.maximumSealing { sealing.removeAll() }
        sealing[key] = cipher
        try cipher.seal(message, nonce: nonce, into: &output)
    }
}
