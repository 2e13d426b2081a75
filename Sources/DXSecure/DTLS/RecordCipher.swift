import CDXOpenSSL
import DXWire

/// Seals and opens the application-data records of one session: the keys of a DTLS 1.2 handshake, with OpenSSL's ciphers
/// (RFC 6347 §4.1; `docs/decisions/0014-records-of-our-own.md`). It works straight between a packet and the pieces in which
/// a record lies, allocates nothing, and keeps no number: the owner uses each one once.
@safe
final class RecordCipher {
    private let pointer: OpaquePointer
    /// The number of the first record to seal. Those before were the handshake's.
    let firstNumber: UInt64
    /// The bytes of a record's body (explicit nonce, ciphertext, tag) beside the packet's.
    let overhead: Int

    /// The cipher of a complete handshake, whose association seals and opens nothing afterwards; nil when OpenSSL is out of
    /// memory, or the handshake is not complete.
    init?(_ association: OpaquePointer) {
        guard let pointer = unsafe dx_records_new(association) else { return nil }
        unsafe self.pointer = unsafe pointer
        firstNumber = unsafe dx_records_first_number(pointer)
        overhead = Int(unsafe dx_records_overhead(pointer))
    }

    deinit { unsafe dx_records_free(pointer) }

    /// Writes the body of record `number` to `body`, which has room for it with the gaps between its pieces; false when
    /// OpenSSL could not.
    func seal(
        _ packet: RawSpan, number: UInt64, into body: UnsafeMutableRawPointer, pieces: dx_pieces = dx_pieces()
    ) -> Bool {
        unsafe packet.withUnsafeBytes { packet in
            unsafe dx_records_seal(pointer, number, packet.baseAddress, packet.count, body, pieces) == 1
        }
    }

    /// Opens the body of record `number`, of `byteCount` bytes without the gaps, into `packet`, which has room for all but
    /// the overhead; false when it is not the peer's.
    func open(
        _ body: UnsafeRawPointer, byteCount: Int, number: UInt64, pieces: dx_pieces = dx_pieces(),
        into packet: UnsafeMutableRawPointer
    ) -> Bool {
        unsafe dx_records_open(pointer, number, body, byteCount, pieces, packet) == 1
    }
}

@available(*, unavailable)
extension RecordCipher: Sendable {}
