public import DXWire

/// One end of an authenticated, encrypted association with one peer on one path: the seam between the transport and
/// cryptography. `DTLSSession` is the real one; the simulator has a plain one. Use it as a generic parameter, never as an
/// existential: `seal` and `open` run per packet.
///
/// The class is bound to one event loop and is not `Sendable`.
public protocol SecureSession: AnyObject {
    /// The connection id by which this end receives: the first 8 bytes of every datagram for `open`.
    var receiveID: ConnectionID { get }
    /// The authenticated peer.
    var peerID: GatewayID { get }
    /// Whether this end started the session.
    var isInitiator: Bool { get }
    /// The bytes that `seal` adds to a packet, connection id included: 38 with AES-GCM, 30 with ChaCha20-Poly1305
    /// (`docs/wire-format.md` §2). Constant once the session is established.
    var sealOverhead: Int { get }
    /// The larger of the records sealed and of the records that `open` has tried, failed ones included.
    var recordCount: UInt64 { get }

    /// Appends the datagram that carries `packet`: the peer's connection id and one compact record.
    ///
    /// - Parameters:
    ///   - packet: 1 to 16,384 bytes; not inside `output`.
    ///   - output: must have room for `packet.byteCount + sealOverhead` bytes.
    /// - Throws: `SecureError`; nothing was appended then. The session stays usable unless the error says otherwise.
    @_lifetime(output: copy output)
    func seal(_ packet: RawSpan, into output: inout OutputRawSpan) throws(SecureError)

    /// Opens one session datagram and appends its plaintext. Never traps, whatever the bytes.
    ///
    /// - Parameters:
    ///   - datagram: the whole datagram, connection id included. Its bytes are changed.
    ///   - plaintext: nothing is appended unless the outcome is `opened`. Must have room for `datagram.byteCount` bytes;
    ///     less room can make a good datagram `rejected`.
    @_lifetime(datagram: copy datagram)
    @_lifetime(plaintext: copy plaintext)
    func open(_ datagram: inout MutableRawSpan, into plaintext: inout OutputRawSpan) -> OpenOutcome

    /// Whether a new session should replace this one: it is an hour old, or has used up 2^28 records in one direction.
    func needsRekey(now: Instant) -> Bool

    /// Gives up all keys and memory; nothing is sent. Every later `seal` throws `closed`. May be called again.
    func close()
}

/// What came of one session datagram. Trivial: made per packet, by anyone who can send one.
public enum OpenOutcome: UInt8, Equatable, Sendable, BitwiseCopyable {
    /// The plaintext was appended.
    case opened
    /// The record number was seen before, or is older than the 64 newest: a duplicate, an attack, or a packet that was
    /// overtaken by 64 others. Dropped.
    case replayed
    /// Not a record of this session: too short, or its tag does not match. Dropped; the session lives on.
    case rejected
    /// The handshake is not complete at this end: dropped. The peer repeats what matters.
    case notEstablished
    /// The session is closed or failed: dropped.
    case closed
}
