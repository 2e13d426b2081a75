internal import CDXSystem
import FoundationEssentials
import Glibc
public import NIOCore

/// Where a trace is written: a file of its owner alone, or standard output. Only whole records are written, so that what is there is a
/// trace whenever it ends.
public actor TraceFile {
    /// Where, for people.
    public nonisolated let name: String
    private let path: String?
    private let isForced: Bool
    private var descriptor: Int32 = -1
    /// What came after the last whole record.
    private var rest = ByteBuffer()
    private var hasHead = false
    /// What was written so far.
    public private(set) var written = Written()

    /// What there is of a trace.
    public struct Written: Sendable {
        /// Events, without those that only say that others are missing.
        public var events: UInt64 = 0
        /// Events that are missing, as the trace says.
        public var lost: UInt64 = 0
        /// Bytes.
        public var bytes: UInt64 = 0
        /// Why it is over, as the trace says; nil while it goes on, or when it was cut off.
        public var end: String?
    }

    /// What kept a trace from being written.
    public enum Problem: Error, Sendable, CustomStringConvertible {
        /// There is something of that name.
        case exists(String)
        /// It cannot be made or written, for this reason.
        case failed(String, reason: String)
        /// Nobody reads standard output any more.
        case nobodyReads

        /// What is wrong and what to do.
        public var description: String {
            switch self {
            case .exists(let name): "there is a \(name) already: name another file with --out, or say --force"
            case .failed(let name, let reason): "\(name) cannot be written: \(reason)"
            case .nobodyReads: "nobody reads the trace"
            }
        }
    }

    /// A trace for a file that is made when the first record comes.
    ///
    /// - Parameters:
    ///   - path: of the file; nil for standard output.
    ///   - isForced: takes the place of a file of that name.
    public init(path: String?, isForced: Bool) {
        name = path ?? "standard output"
        self.path = path
        self.isForced = isForced
    }

    /// Whether it could be made: for saying so before a gateway is asked.
    public nonisolated func check() throws(Problem) {
        guard let path else { return }
        var facts = dx_path()
        let exists = unsafe dx_path_facts(path, false, &facts) == 0
        if exists, !isForced { throw .exists(path) }
        // A device, a directory: what is meant to be replaced is a trace.
        if exists, !facts.is_file { throw .failed(path, reason: "it is no file") }
    }

    /// Takes what came, in pieces of any size.
    public func take(_ bytes: ByteBuffer) throws(Problem) {
        rest.writeImmutableBuffer(bytes)
        let view = rest.readableBytesView
        guard let last = view.lastIndex(of: UInt8(ascii: "\n")) else { return }
        let whole = view[view.startIndex...last]
        count(whole)
        try write(whole)
        written.bytes += UInt64(whole.count)
        rest.moveReaderIndex(forwardBy: whole.count)
        rest.discardReadBytes()
    }

    /// Lets go of the file.
    public func close() {
        guard path != nil, descriptor >= 0 else { return }
        _ = Glibc.close(descriptor)
        descriptor = -1
    }

    private func count(_ records: ByteBufferView) {
        for record in records.split(separator: UInt8(ascii: "\n")) {
            guard hasHead else {
                hasHead = true
                continue
            }
            // The names of these two begin alike, and no other's do.
            let isOfTrace = record.count < 400 && String(decoding: record, as: UTF8.self).contains(Self.ownName)
            guard isOfTrace, let event = Self.ownEvent(record) else {
                written.events += 1
                continue
            }
            written.lost += event.data.count ?? 0
            written.end = event.data.reason ?? written.end
        }
    }

    private static let ownName = "\"name\":\"dx:"

    /// What the trace says of itself.
    private struct OwnEvent: Decodable {
        struct Content: Decodable {
            var count: UInt64?
            var reason: String?
        }
        var name: String
        var data: Content
    }

    private static func ownEvent(_ record: ByteBufferView) -> OwnEvent? {
        guard let event = try? JSONDecoder().decode(OwnEvent.self, from: Data(record.dropFirst())) else { return nil }
        return ["dx:records_lost", "dx:trace_ended"].contains(event.name) ? event : nil
    }

    private func write(_ bytes: ByteBufferView) throws(Problem) {
        try open()
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let number = errno
                if path == nil, number == EPIPE { throw .nobodyReads }
                throw .failed(name, reason: unsafe String(cString: strerror(number)))
            }
            rest = rest.dropFirst(count)
        }
    }

    private func open() throws(Problem) {
        guard descriptor < 0 else { return }
        guard let path else {
            descriptor = STDOUT_FILENO
            return
        }
        try check()
        // Never written through: a link or an open file of that name is somebody else's.
        if isForced { _ = unsafe unlink(path) }
        descriptor = unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600 as mode_t)
        guard descriptor < 0 else { return }
        let number = errno
        throw number == EEXIST ? .exists(path) : .failed(path, reason: unsafe String(cString: strerror(number)))
    }
}
