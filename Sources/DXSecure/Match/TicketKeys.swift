import CDXOpenSSL
public import DXWire

/// Makes and opens tickets (`docs/matchmaking.md` §3): a matchmaker keeps nothing of a client but gives it all it needs to
/// know, sealed under a key of its own, to be brought along with each request.
///
/// The key changes each day; the two before it still open, so that a ticket lives its day. Time is the caller's: counted from
/// 1970 where the keys are those of a `TicketChain` that is kept.
public struct TicketKeys {
    /// What a ticket says.
    public struct Facts: Sendable {
        /// What requests and answers are sealed with.
        public let keys: MatchKeys
        /// Names the group's match key: 16 bytes, zero where none was shown.
        public let group: [UInt8]
        /// Until when the ticket is good.
        public let expires: Instant
    }

    private struct Key {
        var chain: TicketChain
        var began: Instant
        var cipher: TicketCipher
    }

    /// The length of a ticket.
    public static let byteCount = 120
    /// How long a ticket is good, in whole seconds of the matchmaker's clock: a gateway asks for another one after
    /// half of it, so a matchmaker may be away for twelve hours.
    public static let lifetime = Interval.seconds(86_400)
    /// A ticket of the newest key's last second must open for `lifetime`: the key and two before it are enough.
    private static let kept = 3

    /// The newest first; never empty.
    private var keys: [Key]

    /// New keys that nobody else has, of which the first begins now.
    public init(now: Instant) throws(SecureError) {
        let number = UInt32(truncatingIfNeeded: SecureRandom.next())
        keys = [try Self.key(TicketChain(number: number, secret: .random()), began: now)]
    }

    /// The keys of the day of `now`, which is counted from 1970, and of the two days before. Where the clock says a day before
    /// the third of the chain, the keys are the chain's first three: a clock that was set back lets them live longer.
    public init(_ chain: TicketChain, now: Instant) throws(SecureError) {
        let today = TicketChain.day(now)
        let oldest = chain.advanced(to: TicketChain.oldest(now))
        let isToday = oldest.number &+ 2 == today
        let began = isToday ? Instant.zero + Self.lifetime * Int64(today) : now
        keys = [try Self.key(oldest, began: began - Self.lifetime * 2)]
        for age in [Int64(1), 0] { try begin(at: began - Self.lifetime * age) }
    }

    /// From the oldest key on that still opens: what is to be kept for the next start. Changes with each new key.
    public var chain: TicketChain { keys[keys.count - 1].chain }

    /// When a new key must begin: `timeoutFired` at that time.
    public var nextTimeout: Instant { keys[0].began + Self.lifetime }

    /// Begins a new key for each day that the newest is old.
    ///
    /// - Returns: whether there is one.
    @discardableResult
    public mutating func timeoutFired(now: Instant) throws(SecureError) -> Bool {
        guard now >= nextTimeout else { return false }
        while now >= nextTimeout { try begin(at: nextTimeout) }
        return true
    }

    private mutating func begin(at time: Instant) throws(SecureError) {
        keys.insert(try Self.key(keys[0].chain.next, began: time), at: 0)
        if keys.count > Self.kept { keys.removeLast() }
    }

    private static func key(_ chain: TicketChain, began: Instant) throws(SecureError) -> Key {
        Key(chain: chain, began: began, cipher: try TicketCipher(chain.key))
    }

    /// A ticket with these keys, for the group of that name (16 bytes, zero for none).
    ///
    /// - Parameter lifetime: in whole seconds, at most `TicketKeys.lifetime`, which keys are kept for.
    public func seal(
        _ requestKeys: MatchKeys, group: [UInt8], lifetime: Interval = Self.lifetime, now: Instant
    ) throws(SecureError) -> [UInt8] {
        precondition(group.count == 16, "a group's name in a ticket has 16 bytes")
        precondition(lifetime <= Self.lifetime, "a ticket lives no longer than its key")
        let key = keys[0]
        let message = unsafe SecretBytes(capacity: TicketCipher.messageByteCount) { memory in
            requestKeys.bytes.withBytes { bytes in
                var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
                output.write(bytes)
                for byte in group { output.write(byte) }
                output.write(UInt32(clamping: (now - key.began).nanoseconds / Interval.seconds(1).nanoseconds))
                output.write(UInt32(clamping: lifetime.nanoseconds / Interval.seconds(1).nanoseconds))
                return unsafe output.finalize(for: memory)
            }
        }
        guard let sealed = message.withBytes({ key.cipher.seal($0) }) else { throw .lastOpenSSL() }
        return [UInt8](capacity: Self.byteCount) { output in
            output.write(key.chain.number)
            for byte in sealed { output.write(byte) }
        }
    }

    /// What a ticket says; nil when it was not made here, its key is gone, or its time is over.
    public func open(_ ticket: RawSpan, now: Instant) -> Facts? {
        guard ticket.byteCount == Self.byteCount else { return nil }
        var reader = ByteReader(ticket)
        guard let number = try? reader.readUInt32(), let key = keys.first(where: { $0.chain.number == number }),
            let message = key.cipher.open(ticket.extracting(4...))
        else { return nil }
        return message.withBytes { bytes in
            var reader = ByteReader(bytes)
            guard let keys = try? reader.readBytes(MatchKeys.byteCount), let group = try? reader.readBytes(16),
                let issued = try? reader.readUInt32(), let lifetime = try? reader.readUInt32()
            else { return nil }
            let expires = key.began + .seconds(Int64(issued)) + .seconds(Int64(lifetime))
            guard now < expires else { return nil }
            return Facts(
                keys: MatchKeys(SecretBytes(keys)), group: unsafe group.withUnsafeBytes { unsafe [UInt8]($0) },
                expires: expires)
        }
    }
}

/// AES-128-GCM with random nonces under a day's key. Two tickets with one nonce are not to be expected: a day's
/// key seals far less than 2^32 of them (NIST SP 800-38D §8.3).
@safe
private final class TicketCipher {
    private let seals: OpaquePointer
    private let opens: OpaquePointer

    static let messageByteCount = MatchKeys.byteCount + 16 + 4 + 4
    private static let nonceByteCount = 12
    private static let tagByteCount = 16
    private static let sealedByteCount = nonceByteCount + messageByteCount + tagByteCount

    /// The cipher of the first 16 bytes of a key.
    init(_ key: SecretBytes) throws(SecureError) {
        let ciphers = unsafe key.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                let key = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
                return unsafe (dx_gcm_new(key, 1), dx_gcm_new(key, 0))
            }
        }
        guard let seals = unsafe ciphers.0, let opens = unsafe ciphers.1 else {
            unsafe EVP_CIPHER_CTX_free(ciphers.0)
            unsafe EVP_CIPHER_CTX_free(ciphers.1)
            throw .lastOpenSSL()
        }
        unsafe self.seals = unsafe seals
        unsafe self.opens = unsafe opens
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(seals)
        unsafe EVP_CIPHER_CTX_free(opens)
    }

    /// Nil when OpenSSL fails.
    func seal(_ message: RawSpan) -> [UInt8]? {
        var sealed = [UInt8](repeating: 0, count: Self.sealedByteCount)
        let isSealed = unsafe sealed.withUnsafeMutableBytes { sealed in
            unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: sealed[..<Self.nonceByteCount]))
            let nonce = unsafe sealed.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return unsafe message.withUnsafeBytes { message in
                unsafe dx_gcm_seal(seals, nonce, message.baseAddress, message.count, nonce + Self.nonceByteCount) == 1
            }
        }
        return isSealed ? sealed : nil
    }

    func open(_ sealed: RawSpan) -> SecretBytes? {
        let message = unsafe SecretBytes(capacity: Self.messageByteCount) { memory in
            unsafe sealed.withUnsafeBytes { sealed in
                guard sealed.count == Self.sealedByteCount else { return 0 }
                let nonce = unsafe sealed.baseAddress!.assumingMemoryBound(to: UInt8.self)
                let isOpened =
                    unsafe dx_gcm_open(
                        opens, nonce, nonce + Self.nonceByteCount, sealed.count - Self.nonceByteCount,
                        memory.baseAddress) == 1
                return isOpened ? Self.messageByteCount : 0
            }
        }
        if message.count == 0 { ERR_clear_error() }
        return message.count == 0 ? nil : message
    }
}
