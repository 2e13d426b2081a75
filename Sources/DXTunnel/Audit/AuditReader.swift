import Glibc

/// Reads the audit files from their end, piece by piece, as they were when it was made: what is written and renamed later
/// changes nothing of it, so nobody has to wait while it reads.
///
/// It holds one piece and a line at a time, however large the files are.
final class AuditReader {
    /// A file, and which part of it counts.
    private struct Part {
        var descriptor: CInt
        var start: Int
        var end: Int
    }

    /// The newest first.
    private var parts: [Part] = []

    /// 64 KiB: some 300 records, more than are usually asked for.
    static let pieceByteCount = 64 << 10

    /// - Parameters:
    ///   - paths: of the files, the newest first; those that cannot be opened are left out.
    ///   - byteCount: of each so many bytes count at its end. One that was written under a larger limit is not read whole.
    init(_ paths: [String], atMost byteCount: Int) {
        for path in paths {
            let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { continue }
            let size = Int(lseek(descriptor, 0, SEEK_END))
            parts.append(Part(descriptor: descriptor, start: max(0, size - max(0, byteCount)), end: max(0, size)))
        }
    }

    deinit { for part in parts { close(part.descriptor) } }

    /// The newest records that are wanted, the oldest of them first. Lines that are none are skipped.
    func records(atMost limit: Int, where isWanted: (AuditRecord) -> Bool) -> [AuditRecord] {
        var found: [AuditRecord] = []
        for part in parts where found.count < limit {
            readLines(of: part) { line in
                let text = line.count < AuditLine.longest ? String(validating: line, as: UTF8.self) : nil
                if let record = text.flatMap({ AuditLine.record($0[...]) }), isWanted(record) { found.append(record) }
                return found.count < limit
            }
        }
        return found.reversed()
    }

    /// Gives the lines to `body`, the last one first, until it wants no more.
    private func readLines(of part: Part, _ body: (ArraySlice<UInt8>) -> Bool) {
        var end = part.end
        // The beginning of what was read, which may be the rest of a line.
        var rest: [UInt8] = []
        while end > part.start {
            let start = max(part.start, end - Self.pieceByteCount)
            guard var bytes = read(start..<end, of: part.descriptor) else { return }
            bytes.append(contentsOf: rest)
            var upper = bytes.endIndex
            while let newline = bytes[..<upper].lastIndex(of: UInt8(ascii: "\n")) {
                guard body(bytes[(newline + 1)..<upper]) else { return }
                upper = newline
            }
            // What is longer than any line is none, and need not be kept whole for that.
            rest = Array(bytes[..<min(upper, AuditLine.longest)])
            end = start
        }
        _ = body(rest[...])
    }

    /// All bytes of a range; nil when they cannot be read.
    private func read(_ range: Range<Int>, of descriptor: CInt) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var count = 0
        while count < bytes.count {
            let got = unsafe bytes.withUnsafeMutableBytes { memory in
                unsafe pread(
                    descriptor, memory.baseAddress! + count, memory.count - count, off_t(range.lowerBound + count))
            }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { return nil }
            count += got
        }
        return bytes
    }
}

@available(*, unavailable)
extension AuditReader: Sendable {}
