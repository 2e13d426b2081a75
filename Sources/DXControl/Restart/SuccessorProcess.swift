internal import CDXSystem
import Glibc

/// Another start of this program, started by this one.
public struct SuccessorProcess: Sendable {
    /// Its process id.
    public let id: Int32
    /// The link to it.
    public let link: SuccessionLink

    /// The program on the disk, which may be another version by now.
    public static var newProgram: String? {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink(ownProgram, &path, path.count - 1)
        guard count > 0 else { return nil }
        var text = String(decoding: path.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        // What the kernel says when another file has taken the place of the one that runs.
        let mark = " (deleted)"
        if text.hasSuffix(mark) { text.removeLast(mark.utf8.count) }
        return text
    }

    /// The program that runs, whatever has become of its file.
    public static let ownProgram = "/proc/self/exe"

    /// Starts a program with this one's arguments and environment. Throws `SuccessionLink.Failure`.
    public init(program: String) throws {
        let (own, other) = try SuccessionLink.pair()
        var arguments = CommandLine.arguments
        // Whoever lists the processes sees what it is.
        if let first = Self.newProgram, !arguments.isEmpty { arguments[0] = first }
        // The watchdog's process is another one then.
        let left = ["WATCHDOG_PID=", SuccessionLink.variable + "="]
        let variables =
            Self.environment.filter { variable in !left.contains { variable.hasPrefix($0) } } + [
                SuccessionLink.variable + "=1"
            ]
        let argv = unsafe arguments.map { unsafe strdup($0) }
        let envp = unsafe variables.map { unsafe strdup($0) }
        defer { unsafe (argv + envp).forEach { unsafe free($0) } }
        let id = unsafe dx_successor_start(
            program, argv.map { unsafe UnsafePointer($0) } + [nil], envp.map { unsafe UnsafePointer($0) } + [nil],
            other.number)
        guard id > 0 else { throw SuccessionLink.Failure("\(program) cannot be started: \(Self.text(-id))") }
        self.id = id
        link = own
    }

    private static var environment: [String] {
        var result: [String] = []
        var next = unsafe environ
        while let variable = unsafe next.pointee {
            unsafe result.append(String(cString: variable))
            unsafe next += 1
        }
        return result
    }

    /// How it has ended, in words; nil as long as it runs.
    public var ending: String? {
        var status: CInt = 0
        let result = unsafe dx_successor_ended(id, &status)
        guard result != 0 else { return nil }
        guard result > 0 else { return "it has ended" }
        switch status {
        case 126, 127: return "it cannot be run"
        case 129...: return "it was ended by signal \(status - 128)"
        default: return "it ended with status \(status)"
        }
    }

    /// The same, once it has ended; nil when it runs for longer than that. One that closes the link may take a moment to end.
    public func ending(within limit: Duration) async -> String? {
        let end = ContinuousClock.now + limit
        var found = ending
        while found == nil, ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(5))
            found = ending
        }
        return found
    }

    /// Ends it at once, and waits until it has.
    public func end() async {
        kill(id, SIGKILL)
        while ending == nil { try? await Task.sleep(for: .milliseconds(5)) }
    }

    private static func text(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}
