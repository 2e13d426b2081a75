import CDXOpenSSL
import DXWire

/// A group key file's secret: 32 bytes from which the veil keys come (`docs/wire-format.md` §3). Zeroed when freed; may
/// be shared between threads.
public final class VeilSecret: Sendable {
    /// The 32 bytes.
    let bytes: SecretBytes

    /// The length of the secret.
    public static let byteCount = 32
    /// What a file starts with: the kind and version of its content.
    static let prefix = "dxveil1:"

    /// The secret with these 32 bytes.
    init(_ bytes: SecretBytes) {
        precondition(bytes.count == Self.byteCount, "a veil secret has 32 bytes")
        self.bytes = bytes
    }

    /// The secret with these bytes, which the caller holds; nil unless there are 32.
    public convenience init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        unsafe self.init(
            SecretBytes(capacity: Self.byteCount) { memory in
                unsafe memory.copyBytes(from: bytes)
                return Self.byteCount
            })
    }

    /// The 32 bytes, to be told to another member inside a session.
    public var secretBytes: [UInt8] {
        bytes.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }

    /// A new random secret.
    public static func generate() -> VeilSecret {
        unsafe VeilSecret(
            SecretBytes(capacity: byteCount) { memory in
                unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount]))
                return byteCount
            })
    }

    /// What names the secret without telling it: the SHA-256 of `"DX epoch 1" 0` and its bytes (`docs/group.md` §3.7).
    public var name: Bytes32 { bytes.derived("DX epoch 1\0").withBytes { Bytes32($0) } }

    /// The join veil that a token's 16 bytes stand for: the SHA-256 of `"DX join veil 1" 0` and them (`docs/group.md` §8);
    /// nil when there are not as many.
    public convenience init?(joinSeed: [UInt8]) {
        guard joinSeed.count == TokenSecret.byteCount else { return nil }
        self.init(unsafe SecretBytes(joinSeed.span.bytes).derived("DX join veil 1\0"))
    }

    /// Reads a file of one line, `dxveil1:` and unpadded base64url (RFC 4648 §5) of 32 bytes, under the rules of
    /// `KeyFile`.
    public static func read(from path: String) throws(KeyFileError) -> VeilSecret {
        let content = try KeyFile.read(path)
        guard let secret = content.withBytes({ decode($0) }) else {
            throw KeyFileError(path: path, reason: .notAVeil)
        }
        return VeilSecret(secret)
    }

    /// Writes such a file as `KeyFile` does: mode 0600, all of it or nothing, in place of what was there.
    public func write(to path: String) throws(KeyFileError) {
        let prefix = Self.prefix
        let content = unsafe SecretBytes(capacity: prefix.utf8.count + Base64URL.encodedByteCount(Self.byteCount) + 1) {
            memory in
            bytes.withBytes { secret in
                var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
                for character in prefix.utf8 { output.write(character) }
                Base64URL.encode(secret, into: &output)
                output.write(UInt8(ascii: "\n"))
                return unsafe output.finalize(for: memory)
            }
        }
        try KeyFile.write(content, to: path)
    }

    /// The secret in a file's content; one line end after it is allowed. Nil when it is anything else.
    private static func decode(_ content: RawSpan) -> SecretBytes? {
        var reader = ByteReader(content)
        for character in prefix.utf8 { guard (try? reader.readUInt8()) == character else { return nil } }
        guard let text = try? reader.readBytes(Base64URL.encodedByteCount(byteCount)) else { return nil }
        if reader.remaining > 0 {
            if (try? reader.peekUInt8()) == UInt8(ascii: "\r") { try? reader.skip(1) }
            guard (try? reader.readUInt8()) == UInt8(ascii: "\n"), reader.remaining == 0 else { return nil }
        }
        let secret = unsafe SecretBytes(capacity: byteCount) { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            let isGood = Base64URL.decode(text, into: &output)
            let count = unsafe output.finalize(for: memory)
            return isGood ? count : 0
        }
        return secret.count == byteCount ? secret : nil
    }
}
