import CDXOpenSSL
public import DXWire

/// What a matchmaker keeps beside its identity (`docs/matchmaking.md` §2, §3): one secret, from which come its cookies, its proofs
/// of address and the places in its tables, and the chain of its ticket keys. Instances that have the same are interchangeable: the
/// chain goes on by the day, so they need not tell each other of new keys.
public struct MatchSecrets: Sendable {
    /// The 32 bytes that never change.
    private let root: SecretBytes
    /// The ticket keys from the oldest on that still opens.
    public var tickets: TicketChain

    /// What a file starts with: the kind and version of its content.
    private static let prefix = "dxmatch1:"
    private static let byteCount = Bytes32.byteCount + 4 + Bytes32.byteCount

    /// New random secrets, whose chain begins with the oldest key that a matchmaker knows on the day of `now`.
    public static func generate(now: Instant) -> MatchSecrets {
        MatchSecrets(root: .random(), tickets: TicketChain(number: TicketChain.oldest(now), secret: .random()))
    }

    private init(root: SecretBytes, tickets: TicketChain) {
        self.root = root
        self.tickets = tickets
    }

    /// The secret for one purpose.
    public func secret(for purpose: String) -> Bytes32 { root.derived(purpose).withBytes { Bytes32($0) } }

    /// Reads a file of one line, `dxmatch1:` and unpadded base64url (RFC 4648 §5) of 68 bytes, under the rules of key files; nil when
    /// its content is anything else.
    public static func read(from path: String) throws(KeyFileError) -> MatchSecrets? {
        try KeyFile.read(path).withBytes { decode($0) }
    }

    private static func decode(_ text: RawSpan) -> MatchSecrets? {
        var reader = ByteReader(text)
        for character in prefix.utf8 { guard (try? reader.readUInt8()) == character else { return nil } }
        let end = Base64URL.encodedByteCount(byteCount)
        guard let encoded = try? reader.readBytes(end), (try? reader.readUInt8()) ?? UInt8(ascii: "\n") == 10,
            reader.remaining == 0
        else { return nil }
        let bytes = unsafe SecretBytes(capacity: byteCount) { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            return Base64URL.decode(encoded, into: &output) ? unsafe output.finalize(for: memory) : 0
        }
        guard bytes.count == byteCount else { return nil }
        return bytes.withBytes { bytes in
            var reader = ByteReader(bytes)
            guard let root = try? reader.readBytes(Bytes32.byteCount), let number = try? reader.readUInt32(),
                let chain = try? reader.readBytes(Bytes32.byteCount)
            else { return nil }
            return MatchSecrets(
                root: SecretBytes(root), tickets: TicketChain(number: number, secret: SecretBytes(chain)))
        }
    }

    /// Writes such a file: mode 0600, all of it or nothing, in place of what was there.
    public func write(to path: String) throws(KeyFileError) {
        let bytes = unsafe SecretBytes(capacity: Self.byteCount) { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            root.withBytes { output.write($0) }
            output.write(tickets.number)
            tickets.secret.withBytes { output.write($0) }
            return unsafe output.finalize(for: memory)
        }
        let capacity = Self.prefix.utf8.count + Base64URL.encodedByteCount(Self.byteCount) + 1
        let content = unsafe SecretBytes(capacity: capacity) { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            for character in Self.prefix.utf8 { output.write(character) }
            bytes.withBytes { Base64URL.encode($0, into: &output) }
            output.write(UInt8(ascii: "\n"))
            return unsafe output.finalize(for: memory)
        }
        try KeyFile.write(content, to: path)
    }
}

/// A ticket key for each day of Unix time, each made from the secret of its day, and that from the day before: whoever learns a
/// day's secret opens no older ticket.
public struct TicketChain: Sendable {
    /// The day, counted from the first of January 1970: the number of its key.
    let number: UInt32
    /// From which its key and the next day's secret come.
    let secret: SecretBytes

    /// A chain that begins with a day.
    init(number: UInt32, secret: SecretBytes) {
        self.number = number
        self.secret = secret
    }

    /// The next day's.
    var next: TicketChain { TicketChain(number: number &+ 1, secret: secret.derived("DX ticket chain 1\0")) }

    /// This day's key; its first 16 bytes are used.
    var key: SecretBytes { secret.derived("DX ticket key 1\0") }

    /// The same chain from a later day on; itself when that is not later.
    func advanced(to day: UInt32) -> TicketChain {
        var chain = self
        while chain.number < day { chain = chain.next }
        return chain
    }

    /// The day of the oldest key that a matchmaker knows at a time: two days before.
    static func oldest(_ now: Instant) -> UInt32 { max(day(now), 2) - 2 }

    /// The day of a time that is counted from 1970.
    static func day(_ now: Instant) -> UInt32 {
        UInt32(clamping: now.nanoseconds / TicketKeys.lifetime.nanoseconds)
    }
}

extension SecretBytes {
    /// 32 random bytes.
    static func random() -> SecretBytes {
        unsafe SecretBytes(capacity: Bytes32.byteCount) { memory in
            unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<Bytes32.byteCount]))
            return Bytes32.byteCount
        }
    }
}
