import DXWire

@testable import DXMatch

/// Cryptography of a gateway's end of the right shape and no strength, and of a matchmaker's end to go with it. What is changed on
/// the way is noticed, what is sealed for one does not open for another.
struct FakeClientCryptography: MatchClientCryptography {
    /// The keys of a ticket.
    struct Keys: Equatable {
        var toMatchmaker: Block32
        var fromMatchmaker: Block32
    }

    let pin: GatewayID
    /// Makes each handshake another one.
    let counter = Counter()

    final class Counter { var count: UInt64 = 0 }

    init(pin: GatewayID, salt: UInt64) {
        self.pin = pin
        counter.count = salt << 32
    }

    // MARK: Both ends

    private static let plain = FakeCryptography()

    static func key(_ pin: GatewayID, fromMatchmaker: Bool) -> Block32 {
        let words = pin.words
        return Block32(words.0, words.1, words.2, fromMatchmaker ? 1 : 0)
    }

    /// `head | message | tag`.
    static func sealed(_ head: [UInt8], _ message: [UInt8], data: [UInt8] = [], key: Block32) -> [UInt8] {
        let text = data + head + message
        let tag = plain.hmacSHA256(key: key, text.raw)
        return head + message + tag.bytes.prefix(16)
    }

    static func opened(_ sealed: [UInt8], headByteCount: Int, data: [UInt8] = [], key: Block32) -> [UInt8]? {
        guard sealed.count > headByteCount + 16 else { return nil }
        let head = Array(sealed.prefix(headByteCount))
        let message = Array(sealed.dropFirst(headByteCount).dropLast(16))
        return Self.sealed(head, message, data: data, key: key) == sealed ? message : nil
    }

    /// As AES-SIV lays it out: tag first.
    static func sivSealed(_ body: [UInt8], data: [UInt8], key: Block32) -> [UInt8] {
        let text = data + body
        let tag = plain.hmacSHA256(key: key, text.raw)
        return tag.bytes.prefix(16) + body
    }

    static func sivOpened(_ sealed: [UInt8], data: [UInt8], key: Block32) -> [UInt8]? {
        guard sealed.count > 16 else { return nil }
        let body = Array(sealed.dropFirst(16))
        return sivSealed(body, data: data, key: key) == sealed ? body : nil
    }

    // MARK: The seam

    func sha256(_ bytes: RawSpan) -> Block32 { Self.plain.sha256(bytes) }
    func hmacSHA256(key: Block32, _ bytes: RawSpan) -> Block32 { Self.plain.hmacSHA256(key: key, bytes) }
    func isSignature(_ signature: MatchSignature, by key: PublicPoint, over bytes: RawSpan) -> Bool {
        Self.plain.isSignature(signature, by: key, over: bytes)
    }
    func publicPoint(of key: PublicPoint) -> PublicPoint { key }
    func sign(_ text: RawSpan, with key: PublicPoint) -> MatchSignature? { Self.plain.sign(text, by: key) }

    func seal(message: RawSpan) -> [UInt8]? {
        Self.sealed([UInt8](repeating: 0, count: 12), Array(copy: message), key: Self.key(pin, fromMatchmaker: false))
    }
    func open(datagram: RawSpan) -> [UInt8]? {
        Self.opened(Array(copy: datagram), headByteCount: 12, key: Self.key(pin, fromMatchmaker: true))
    }
    func makeHandshake() -> FakeHandshake? {
        counter.count += 1
        return FakeHandshake(client: pin, random: counter.count)
    }
    func seal(_ body: RawSpan, data: RawSpan, keys: Keys) -> [UInt8]? {
        Self.sivSealed(Array(copy: body), data: Array(copy: data), key: keys.toMatchmaker)
    }
    func open(_ sealed: RawSpan, data: RawSpan, keys: Keys) -> [UInt8]? {
        Self.sivOpened(Array(copy: sealed), data: Array(copy: data), key: keys.fromMatchmaker)
    }
    func openNotice(_ sealed: RawSpan, data: RawSpan, key: HandleKey) -> [UInt8]? {
        Self.sivOpened(Array(copy: sealed), data: Array(copy: data), key: noticeKey(key))
    }
    func handleKey(_ handle: Handle, keys: Keys) -> HandleKey { handleKey(handle, answerKey: keys.fromMatchmaker) }
    func bytes(of keys: Keys) -> [UInt8] { keys.toMatchmaker.bytes + keys.fromMatchmaker.bytes }
    func keys(_ bytes: [UInt8]) -> Keys? {
        var reader = ByteReader(bytes.raw)
        guard bytes.count == 64, let first = try? Block32(reading: &reader), let last = try? Block32(reading: &reader)
        else { return nil }
        return Keys(toMatchmaker: first, fromMatchmaker: last)
    }
}

/// A handshake of four datagrams, like DTLS's, and records after it. Both ends.
final class FakeHandshake: MatchHandshake {
    private enum Step: UInt8 { case hello = 1, answer, finish, finished, record }

    private let isClient: Bool
    private let pin: GatewayID
    private var randoms: (UInt64, UInt64)
    private var flight: [[UInt8]] = []
    private var isComplete = false
    private var sealedCount: UInt64 = 0
    private var heard: Set<UInt64> = []
    /// The names of the steps that each end waits for.
    private var awaited: Step

    init(client pin: GatewayID, random: UInt64) {
        (isClient, self.pin, randoms, awaited) = (true, pin, (random, 0), .answer)
    }

    init(server pin: GatewayID, random: UInt64) {
        (isClient, self.pin, randoms, awaited) = (false, pin, (0, random), .hello)
    }

    func start() -> MatchHandshakeOutcome {
        flight = [message(.hello)]
        return .incomplete
    }

    func takeFlight() -> [[UInt8]] {
        defer { flight = [] }
        return flight
    }

    private func message(_ step: Step) -> [UInt8] {
        Written.bytes {
            $0.write(step.rawValue)
            $0.write(pin)
            $0.write(randoms.0)
            $0.write(randoms.1)
        }
    }

    func receive(_ datagram: RawSpan) -> MatchHandshakeOutcome {
        var reader = ByteReader(datagram)
        guard let number = try? reader.readUInt8(), let step = Step(rawValue: number),
            let seen = try? GatewayID(reading: &reader), let first = try? reader.readUInt64(),
            let second = try? reader.readUInt64()
        else { return .failed("not a message") }
        guard step == awaited else { return .incomplete }
        if isClient, seen != pin { return .wrongPin(expected: pin, seen: seen) }
        switch step {
        case .hello:
            randoms.0 = first
            flight = [message(.answer)]
            awaited = .finish
        case .answer:
            guard first == randoms.0 else { return .incomplete }
            randoms.1 = second
            // Two datagrams that share one on the wire.
            flight = [message(.finish), [0xee]]
            awaited = .finished
        case .finish:
            guard first == randoms.0, second == randoms.1 else { return .failed("another handshake") }
            flight = [message(.finished)]
            isComplete = true
        case .finished: isComplete = true
        case .record: return .incomplete
        }
        return isComplete ? .complete : .incomplete
    }

    var keys: FakeClientCryptography.Keys? {
        guard isComplete else { return nil }
        return FakeClientCryptography.Keys(
            toMatchmaker: Block32(randoms.0, randoms.1, 1, 1), fromMatchmaker: Block32(randoms.0, randoms.1, 2, 2))
    }

    var proofInput: Block32? { isComplete ? Block32(randoms.0, randoms.1, 3, 3) : nil }

    private func recordKey(fromClient: Bool) -> Block32 { Block32(randoms.0, randoms.1, 4, fromClient ? 1 : 0) }

    func record(of message: RawSpan) -> [UInt8]? {
        guard isComplete else { return nil }
        sealedCount += 1
        let head = Written.bytes {
            $0.write(Step.record.rawValue)
            $0.write(sealedCount)
        }
        return FakeClientCryptography.sealed(head, Array(copy: message), key: recordKey(fromClient: isClient))
    }

    func message(of record: RawSpan) -> [UInt8]? {
        let bytes = Array(copy: record)
        let key = recordKey(fromClient: !isClient)
        guard isComplete, let message = FakeClientCryptography.opened(bytes, headByteCount: 9, key: key) else {
            return nil
        }
        var reader = ByteReader(bytes.raw, at: 1)
        guard let number = try? reader.readUInt64(), heard.insert(number).inserted else { return nil }
        return message
    }
}

extension [UInt8] {
    /// The bytes of a span.
    init(copy span: RawSpan) { self = unsafe span.withUnsafeBytes { unsafe [UInt8]($0) } }
}
