public import DXWire

/// The cryptography that the gateway's end of the matchmaker protocol needs and does not have: OpenSSL's in the program,
/// something simple in tests. One for each matchmaker, since the veil's key comes from its pin.
public protocol MatchClientCryptography: MatchCryptography {
    /// A private P-256 key of ours: a match key, a member key.
    associatedtype SigningKey
    /// The two keys of a ticket (`docs/matchmaking.md` §3). A secret.
    associatedtype Keys
    /// A DTLS association with the matchmaker.
    associatedtype Handshake: MatchHandshake where Handshake.Keys == Keys

    /// The datagram of a message to the matchmaker (§2), of 1 to `MatchConstants.maximumMessage` bytes; nil when cryptography
    /// fails.
    func seal(message: RawSpan) -> [UInt8]?
    /// The message of a datagram from the matchmaker (§2); nil when it is none.
    func open(datagram: RawSpan) -> [UInt8]?
    /// A new association (§3), not begun; nil when there is no memory for it.
    func makeHandshake() -> Handshake?

    /// The body of a request sealed for the matchmaker (§4): synthetic initialization vector, then the sealed body.
    func seal(_ body: RawSpan, data: RawSpan, keys: Keys) -> [UInt8]?
    /// The body of an answer that the matchmaker sealed so (§4); nil when it did not.
    func open(_ sealed: RawSpan, data: RawSpan, keys: Keys) -> [UInt8]?
    /// The body of a notice (§4.1); nil when it is none of this registration's.
    func openNotice(_ sealed: RawSpan, data: RawSpan, key: HandleKey) -> [UInt8]?
    /// The key of a registration that was made under a ticket with these keys (§4.1).
    func handleKey(_ handle: Handle, keys: Keys) -> HandleKey

    /// The 64 bytes of the keys, to be kept with their ticket in a file. A secret.
    func bytes(of keys: Keys) -> [UInt8]
    /// The keys with these bytes; nil unless there are 64.
    func keys(_ bytes: [UInt8]) -> Keys?

    /// The public half.
    func publicPoint(of key: SigningKey) -> PublicPoint
    /// ECDSA over the SHA-256 of `text`; nil when cryptography fails.
    func sign(_ text: RawSpan, with key: SigningKey) -> MatchSignature?
}

/// A gateway's DTLS association with a matchmaker (`docs/matchmaking.md` §3): datagrams in, datagrams out, no clock. Repetition
/// is the machine's.
public protocol MatchHandshake: AnyObject {
    /// The two keys of a ticket.
    associatedtype Keys

    /// Begins; the first flight is there afterwards.
    func start() -> MatchHandshakeOutcome
    /// Takes a datagram of the handshake.
    func receive(_ datagram: RawSpan) -> MatchHandshakeOutcome
    /// The datagrams that the last call made.
    func takeFlight() -> [[UInt8]]
    /// What requests and answers are sealed with; nil before the handshake is complete.
    var keys: Keys? { get }
    /// What the match key signs, behind its label; nil before the handshake is complete.
    var proofInput: Block32? { get }
    /// The record of a message; nil before the handshake is complete.
    func record(of message: RawSpan) -> [UInt8]?
    /// The message of a record of the matchmaker's; nil when it is none, or came before.
    func message(of record: RawSpan) -> [UInt8]?
}

/// What a datagram of a handshake came to.
public enum MatchHandshakeOutcome: Equatable, Sendable {
    /// The handshake needs another datagram.
    case incomplete
    /// The handshake is complete.
    case complete
    /// It is another matchmaker than the pin says.
    case wrongPin(expected: GatewayID, seen: GatewayID)
    /// It is over, for this reason: one sentence, for whoever has to mend it.
    case failed(String)
}
