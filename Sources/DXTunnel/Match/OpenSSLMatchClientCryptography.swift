import DXMatch
import DXSecure
import DXWire

/// The cryptography of the gateway's end of the matchmaker protocol (`docs/matchmaking.md` §2-§4) by the host's OpenSSL: what
/// `MatchClient` is given, one for each matchmaker.
///
/// Bound to one event loop.
struct OpenSSLMatchClientCryptography: MatchClientCryptography {
    private let veil: MatchVeil
    private let context: MatchDTLS.Context

    /// That of the matchmaker with this pin. Throws `cryptography` when OpenSSL fails.
    init(pin: GatewayID) throws(SecureError) {
        veil = try MatchVeil(pin: pin, isMatchmaker: false)
        context = try MatchDTLS.Context(pin: pin)
    }

    // MARK: Hashes and signatures

    func sha256(_ bytes: RawSpan) -> Block32 { Block32(Bytes32(sha256: bytes)) }

    func hmacSHA256(key: Block32, _ bytes: RawSpan) -> Block32 {
        Block32(Bytes32(hmacSHA256: bytes, key: Bytes32(key)))
    }

    func isSignature(_ signature: MatchSignature, by key: PublicPoint, over bytes: RawSpan) -> Bool {
        PublicKey(key).isValid(Signature(signature), for: bytes)
    }

    func publicPoint(of key: Identity) -> PublicPoint { PublicPoint(key.publicKey) }

    func sign(_ text: RawSpan, with key: Identity) -> MatchSignature? {
        (try? key.sign(text)).map { MatchSignature($0) }
    }

    // MARK: Veil and handshake

    func seal(message: RawSpan) -> [UInt8]? { try? veil.seal(message) }

    func open(datagram: RawSpan) -> [UInt8]? { veil.open(datagram) }

    func makeHandshake() -> OpenSSLMatchHandshake? { try? OpenSSLMatchHandshake(context) }

    // MARK: Requests and notices

    func seal(_ body: RawSpan, data: RawSpan, keys: MatchKeys) -> [UInt8]? {
        try? keys.seal(body, data: data, .toMatchmaker)
    }

    func open(_ sealed: RawSpan, data: RawSpan, keys: MatchKeys) -> [UInt8]? {
        keys.open(sealed, data: data, .fromMatchmaker)
    }

    func openNotice(_ sealed: RawSpan, data: RawSpan, key: HandleKey) -> [UInt8]? {
        NoticeSeal.open(sealed, data: data, key: Bytes32(noticeKey(key)))
    }

    func handleKey(_ handle: Handle, keys: MatchKeys) -> HandleKey {
        HandleKey(bytes: keys.registrationKey(handle: handle.rawValue))
    }

    func bytes(of keys: MatchKeys) -> [UInt8] { keys.secretBytes }

    func keys(_ bytes: [UInt8]) -> MatchKeys? { MatchKeys(bytes) }
}

/// A DTLS association with a matchmaker.
///
/// Bound to one event loop.
final class OpenSSLMatchHandshake: MatchHandshake {
    private let association: MatchDTLS

    /// A new association, not begun.
    init(_ context: MatchDTLS.Context) throws(SecureError) { association = try MatchDTLS(context) }

    func start() -> MatchHandshakeOutcome { outcome(association.start()) }

    func receive(_ datagram: RawSpan) -> MatchHandshakeOutcome { outcome(association.receive(datagram)) }

    func takeFlight() -> [[UInt8]] { association.takeFlight() }

    var keys: MatchKeys? { association.keys }

    var proofInput: Block32? { association.proofInput.map { Block32($0) } }

    func record(of message: RawSpan) -> [UInt8]? { association.record(of: message) }

    func message(of record: RawSpan) -> [UInt8]? { association.message(of: record) }

    private func outcome(_ outcome: MatchDTLS.Outcome) -> MatchHandshakeOutcome {
        switch outcome {
        case .incomplete: .incomplete
        case .complete: .complete
        case .wrongPin(let expected, let seen): .wrongPin(expected: expected, seen: seen)
        case .failed(let failure): .failed(failure.description)
        }
    }
}

@available(*, unavailable)
extension OpenSSLMatchHandshake: Sendable {}
