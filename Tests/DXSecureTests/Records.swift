import CDXOpenSSL
import DXWire

@testable import DXSecure

/// Whole DTLS records, as OpenSSL has them (RFC 6347 §4.1), by our cipher.
extension RecordCipher {
    private static let header = 13

    /// The record of a packet: header and body.
    func record(_ packet: [UInt8], number: UInt64) -> [UInt8] {
        let body = body(packet, number: number)
        return [UInt8](capacity: Self.header + body.count) { output in
            output.write(0x17 as UInt8)
            output.write(0xfefd as UInt16)
            output.write(1 << 48 | number)
            output.write(UInt16(body.count))
            for byte in body { output.write(byte) }
        }
    }

    /// What a record of the peer's carries; nil when it is not of this session.
    func plaintext(ofRecord record: [UInt8]) -> [UInt8]? {
        guard record.count > Self.header, record.starts(with: [0x17, 0xfe, 0xfd, 0, 1]) else { return nil }
        let number = record[5..<11].reduce(0) { $0 << 8 | UInt64($1) }
        return plaintext(ofBody: Array(record.dropFirst(Self.header)), number: number)
    }

    /// A body in one piece.
    func body(_ packet: [UInt8], number: UInt64) -> [UInt8] {
        self.body(packet, number: number, slice: packet.count + overhead, gap: 0)
    }

    /// A body in pieces, with what lies in the gaps, which is zero before.
    func body(_ packet: [UInt8], number: UInt64, slice: Int, gap: Int) -> [UInt8] {
        let count = packet.count + overhead
        var memory = [UInt8](repeating: 0, count: count + (count - 1) / slice * gap)
        let isSealed = unsafe memory.withUnsafeMutableBytes { memory in
            unsafe seal(
                packet.span.bytes, number: number, into: memory.baseAddress!,
                pieces: dx_pieces(slice: slice, gap: gap))
        }
        return isSealed ? memory : []
    }

    /// What a body in pieces carries; nil when it does not open, and then nothing of it may be seen.
    func plaintext(ofBody body: [UInt8], number: UInt64, slice: Int = 0, gap: Int = 0) -> [UInt8]? {
        let count = slice == 0 ? body.count : body.count - (body.count - 1) / (slice + gap) * gap
        var plain = [UInt8](repeating: 0, count: max(count - overhead, 0))
        let isOpened = unsafe plain.withUnsafeMutableBytes { plain in
            unsafe body.withUnsafeBytes { body in
                unsafe open(
                    body.baseAddress!, byteCount: count, number: number, pieces: dx_pieces(slice: slice, gap: gap),
                    into: plain.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 16)!)
            }
        }
        precondition(isOpened || plain.allSatisfy { $0 == 0 }, "nothing of a forged record is left")
        return isOpened ? plain : nil
    }
}
