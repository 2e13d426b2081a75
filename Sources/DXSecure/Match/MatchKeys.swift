import CDXOpenSSL
import DXWire

/// The two keys of a ticket (`docs/matchmaking.md` §3): what a gateway seals for a matchmaker, and what it seals in answer, both
/// with AES-128-SIV (RFC 5297). Zeroed when freed; may be shared between threads.
public final class MatchKeys: Sendable {
    /// To the matchmaker, then from it: 32 bytes each.
    let bytes: SecretBytes

    /// The length of both.
    static let byteCount = 64
    /// What a sealed body has beside the body: the synthetic initialization vector.
    public static let overhead = 16

    /// Which of the two.
    public enum Direction: Sendable {
        /// What a gateway says.
        case toMatchmaker
        /// What a matchmaker says.
        case fromMatchmaker
    }

    /// The keys with these bytes.
    init(_ bytes: SecretBytes) {
        precondition(bytes.count == Self.byteCount, "two keys of 32 bytes")
        self.bytes = bytes
    }

    /// Seals a body. The same body with the same data is sealed alike, which tells an observer that it is the same and
    /// nothing else: the sequence in `data` sees to it that none is. Throws `packetSize` when the body is empty,
    /// `cryptography` when OpenSSL fails.
    public func seal(
        _ body: RawSpan, data: RawSpan, _ direction: Direction
    ) throws(SecureError) -> [UInt8] {
        guard body.byteCount > 0 else { throw .packetSize }
        var sealed = [UInt8](repeating: 0, count: body.byteCount + Self.overhead)
        let isSealed = unsafe withKey(direction) { key in
            unsafe body.withUnsafeBytes { body in
                unsafe data.withUnsafeBytes { data in
                    unsafe dx_siv_seal(key, data.baseAddress, data.count, body.baseAddress, body.count, &sealed) == 1
                }
            }
        }
        guard isSealed else { throw .lastOpenSSL() }
        return sealed
    }

    /// The body of what was sealed so; nil when it is anything else.
    public func open(_ sealed: RawSpan, data: RawSpan, _ direction: Direction) -> [UInt8]? {
        guard sealed.byteCount > Self.overhead else { return nil }
        var body = [UInt8](repeating: 0, count: sealed.byteCount - Self.overhead)
        let isOpened = unsafe withKey(direction) { key in
            unsafe sealed.withUnsafeBytes { sealed in
                unsafe data.withUnsafeBytes { data in
                    unsafe dx_siv_open(key, data.baseAddress, data.count, sealed.baseAddress, sealed.count, &body) == 1
                }
            }
        }
        return isOpened ? body : nil
    }

    /// The key of one registration (`docs/matchmaking.md` §4.1), which both ends derive: 16 bytes.
    public func registrationKey(handle: UInt64) -> [UInt8] {
        let message = [UInt8](capacity: 14) { output in
            for character in "notice".utf8 { output.write(character) }
            output.write(handle)
        }
        var mac = [UInt8](repeating: 0, count: Bytes32.byteCount)
        let isMade = unsafe withKey(.fromMatchmaker) { key in
            unsafe dx_hmac_sha256(key, message, message.count, &mac) == 1
        }
        precondition(isMade, "OpenSSL computes HMAC-SHA256")
        return Array(mac.prefix(16))
    }

    /// The key from the matchmaker to the client, from which those of registrations come (`docs/matchmaking.md` §4.1). A secret.
    public var answerKey: Bytes32 {
        bytes.withBytes { Bytes32($0, at: Bytes32.byteCount) }
    }

    private func withKey<Result>(_ direction: Direction, _ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        bytes.withBytes { keys in
            unsafe keys.withUnsafeBytes { keys in
                let start = unsafe keys.baseAddress!.assumingMemoryBound(to: UInt8.self)
                return unsafe body(direction == .toMatchmaker ? start : start + 32)
            }
        }
    }
}
