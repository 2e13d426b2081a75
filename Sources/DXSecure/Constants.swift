import DXWire

/// Numbers of this module that more than one file needs.
enum SecureConstants {
    // MARK: Specification (docs/wire-format.md §3)

    /// Nonce and tag around each veiled message.
    static let veilOverhead = VeilNonce.byteCount + veilTag
    /// AES-GCM's tag.
    static let veilTag = 16
    /// Shorter datagrams hold no message: nonce, type, version, tag.
    static let minimumVeiled = veilOverhead + 2
    /// Longer ones are not opened: no message is larger, and a stranger's large datagrams cost nothing so.
    static let maximumVeiled = Constants.minimumDatagram
    /// A CHALLENGE holds for the time slot in which it was made and for the next.
    static let challengeSlot: Interval = .seconds(10)
    /// The most opens that one datagram may cost; so many veils may be configured at most.
    static let maximumOpens = 3

    // MARK: Implementation

    /// The largest DTLS datagram of a handshake. Wrapped in a CONNECT, the largest of our messages, it gives 1200 bytes;
    /// as a HANDSHAKE it stays under the 1080 bytes of a forwarded path.
    static let handshakeDatagram = maximumVeiled - veilOverhead - Connect.headByteCount
    /// DTLS 1.2 records carry no more plaintext (RFC 5246 §6.2.1).
    static let maximumPacket = 16_384
}
