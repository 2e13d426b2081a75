internal import CDXSystem
import FoundationEssentials
import Glibc
import NIOPosix

/// One end of the link between two starts of a program, over which the earlier one leaves what it has to the later one
/// (`docs/restart.md` §3): messages in JSON, and descriptors. Only a program and what it started itself have the ends.
public final class SuccessionLink: Sendable {
    /// A message.
    public enum Message: Sendable, Equatable {
        /// The later start has read its settings and could begin: what it would be like.
        case ready(SuccessionTerms)
        /// The earlier start leaves this: a description of so many bytes, and so many descriptors, which follow.
        case bequest(byteCount: Int, descriptorCount: Int)
        /// The later start runs.
        case started
        /// The later start cannot; why.
        case failed(String)
    }

    /// What is wrong with the link, for people.
    public struct Failure: Error, CustomStringConvertible {
        /// One line.
        public let description: String

        init(_ description: String) { self.description = description }
    }

    /// Where a start finds its end, if another one started it.
    public static let variable = "DX_SUCCESSION"
    private static let inherited: CInt = 3
    /// Descriptors in a message, and bytes of a description.
    private static let mostDescriptors = 200
    private static let mostBytes = 48 << 10
    /// What a description may have in all: 65,536 listeners of 200 bytes; and descriptors.
    private static let longest = 16 << 20
    private static let mostInAll = 70_000
    /// So long the other end may take for a piece of what is on the way.
    private static let patience = Duration.seconds(10)

    private let descriptor: CInt

    /// The end with that descriptor, which it takes.
    init(_ descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// The end that whoever started this program has left it; nil when it was started by hand or by a service manager. To be called once.
    public static func fromEnvironment() -> SuccessionLink? {
        guard unsafe getenv(variable) != nil else { return nil }
        unsafe unsetenv(variable)
        guard fcntl(inherited, F_SETFD, FD_CLOEXEC) == 0, fcntl(inherited, F_SETFL, O_NONBLOCK) == 0 else { return nil }
        return SuccessionLink(inherited)
    }

    /// Two ends.
    static func pair() throws -> (SuccessionLink, SuccessionLink) {
        var ends: [CInt] = [-1, -1]
        let result = unsafe dx_message_pair(&ends)
        guard result == 0 else { throw Failure("no link to another start can be made: \(text(-result))") }
        return (SuccessionLink(ends[0]), SuccessionLink(ends[1]))
    }

    /// The number of the end, for who is started with it.
    var number: CInt { descriptor }

    // MARK: Messages

    /// Sends a message.
    public func send(_ message: Message) async throws { try await send(Array(ControlJSON.encode(Form(message))), []) }

    /// Waits for a message.
    public func receive(within limit: Duration) async throws -> Message {
        let (bytes, descriptors) = try await receive(limit)
        for descriptor in descriptors { close(descriptor) }
        guard let form = try? JSONDecoder().decode(Form.self, from: Data(bytes)), let message = form.message else {
            throw Failure("the other start is of a version that is not understood")
        }
        return message
    }

    /// Sends what is left, and its descriptors, which stay open here.
    public func leave(_ description: [UInt8], _ descriptors: [CInt]) async throws {
        try await send(.bequest(byteCount: description.count, descriptorCount: descriptors.count))
        for start in stride(from: 0, to: description.count, by: Self.mostBytes) {
            try await send(Array(description[start..<min(start + Self.mostBytes, description.count)]), [])
        }
        for start in stride(from: 0, to: descriptors.count, by: Self.mostDescriptors) {
            try await send([0], Array(descriptors[start..<min(start + Self.mostDescriptors, descriptors.count)]))
        }
    }

    /// Takes what is left. Throws `Failure`; no descriptor is open then that came.
    public func take(within limit: Duration) async throws -> (description: [UInt8], descriptors: [CInt]) {
        guard case .bequest(let byteCount, let descriptorCount) = try await receive(within: limit),
            (0...Self.longest).contains(byteCount), (0...Self.mostInAll).contains(descriptorCount)
        else { throw Failure("the other start left nothing") }
        var description: [UInt8] = []
        var descriptors: [CInt] = []
        do {
            while description.count < byteCount { description += try await receive(Self.patience).bytes }
            while descriptors.count < descriptorCount {
                let (_, new) = try await receive(Self.patience)
                guard !new.isEmpty else { throw Failure("the other start left less than it said") }
                descriptors += new
            }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        return (description, descriptors)
    }

    // MARK: The socket

    private func send(_ bytes: [UInt8], _ descriptors: [CInt]) async throws {
        let limit = Self.milliseconds(Self.patience)
        let result = try await NIOThreadPool.singleton.runIfActive { [descriptor] in
            unsafe dx_message_send(descriptor, bytes, bytes.count, descriptors, descriptors.count, limit)
        }
        guard result == 0 else { throw Failure("the other start cannot be told: \(Self.text(-result))") }
    }

    private func receive(_ limit: Duration) async throws -> (bytes: [UInt8], descriptors: [CInt]) {
        let milliseconds = Self.milliseconds(limit)
        let (count, bytes, descriptors) = try await NIOThreadPool.singleton.runIfActive { [descriptor] in
            var bytes = [UInt8](repeating: 0, count: 64 << 10)
            var descriptors = [CInt](repeating: -1, count: Self.mostDescriptors)
            var found = 0
            let count = unsafe dx_message_receive(
                descriptor, &bytes, bytes.count, &descriptors, descriptors.count, &found, milliseconds)
            return (count, Array(bytes.prefix(max(0, count))), Array(descriptors.prefix(found)))
        }
        guard count != 0 else { throw Failure("the other start has ended") }
        guard count > 0 else { throw Failure("the other start says nothing: \(Self.text(CInt(-count)))") }
        return (bytes, descriptors)
    }

    private static func milliseconds(_ limit: Duration) -> CInt {
        CInt(clamping: limit.components.seconds * 1_000 + limit.components.attoseconds / 1_000_000_000_000_000)
    }

    private static func text(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }

    /// How a message stands on the link.
    private struct Form: Codable {
        var kind: String
        var terms: SuccessionTerms?
        var bytes: Int?
        var descriptors: Int?
        var reason: String?

        init(_ message: Message) {
            switch message {
            case .ready(let terms): (kind, self.terms) = ("ready", terms)
            case .bequest(let byteCount, let descriptorCount):
                (kind, bytes, descriptors) = ("bequest", byteCount, descriptorCount)
            case .started: kind = "started"
            case .failed(let reason): (kind, self.reason) = ("failed", reason)
            }
        }

        var message: Message? {
            switch kind {
            case "ready": terms.map { .ready($0) }
            case "bequest":
                bytes.flatMap { bytes in descriptors.map { .bequest(byteCount: bytes, descriptorCount: $0) } }
            case "started": .started
            case "failed": .failed(reason ?? "it says no reason")
            default: nil
            }
        }
    }
}

/// What two starts of a gateway have to have in common, for one to go on with the sockets of the other.
public struct SuccessionTerms: Codable, Sendable, Equatable {
    /// Its version.
    public var version: String
    /// Where the UDP sockets are, as in the file.
    public var listen: String
    /// How many event loops there are.
    public var threads: Int

    /// Terms of this version.
    public init(version: String, listen: String, threads: Int) {
        self.version = version
        self.listen = listen
        self.threads = threads
    }

    /// Why the other could not go on with what this one has; nil when it can.
    public func conflict(with other: SuccessionTerms) -> String? {
        if listen != other.listen {
            return "listen: is \(other.listen) in its file, and this one has \(listen)"
        }
        if threads != other.threads { return "it would have \(other.threads) threads, and this one has \(threads)" }
        return nil
    }
}
