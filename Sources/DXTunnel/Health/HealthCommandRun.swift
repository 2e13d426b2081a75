import CDXSystem
import DXSocket
import DXWire
import Glibc
import NIOCore
import NIOPosix

/// One run of a health command, on a thread that may wait (`docs/ha.md` §2).
///
/// The program has no shell, no input, no privileges and none of the gateway's descriptors; what it says is read up to
/// `maximumOutput` and kept as the reason of a failure.
enum HealthCommandRun {
    /// More of a program's words than this is not kept, in bytes.
    private static let maximumOutput = 200

    /// At most so many programs run at a time; others wait, within their own time. Threads are made at the first command.
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 4)
        pool.start()
        return pool
    }()

    /// Runs a program; why it says that the target is not well, or nil.
    ///
    /// - Parameters:
    ///   - command: its path and arguments.
    ///   - environment: what it is told beside a PATH.
    static func run(
        _ command: [String], environment: [String: String], timeout: Interval, at gate: LoopGate
    ) -> EventLoopFuture<String?> {
        let end = MonotonicClock.now() + timeout
        let variables = ["PATH=/usr/local/bin:/usr/bin:/bin"] + environment.map { "\($0)=\($1)" }.sorted()
        return gate.run(on: pool) {
            // Whoever asked has given it up by then: to run it all the same would leave less for others.
            let left = end - MonotonicClock.now()
            guard left > .zero else { return "other health commands took all of its time" }
            return run(command, variables: variables, milliseconds: Int32(clamping: max(1, left.milliseconds)))
        }
    }

    private static func run(_ command: [String], variables: [String], milliseconds: Int32) -> String? {
        let arguments = unsafe command.map { unsafe strdup($0) }
        let environment = unsafe variables.map { unsafe strdup($0) }
        defer { unsafe (arguments + environment).forEach { unsafe free($0) } }
        let argv = unsafe arguments.map { unsafe UnsafePointer($0) } + [nil]
        let envp = unsafe environment.map { unsafe UnsafePointer($0) } + [nil]
        var output = [CChar](repeating: 0, count: maximumOutput)
        var count = 0
        let result = unsafe dx_command_run(argv, envp, milliseconds, &output, output.count, &count)
        guard result != 0 else { return nil }
        let said = String(decoding: output.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        let line = said.split(whereSeparator: \.isNewline).first.map { ": \($0)" } ?? ""
        switch result {
        case -ETIMEDOUT: return "the command did not end in time\(line)"
        case ..<0: return "the command could not be started: \(unsafe String(cString: strerror(-result)))"
        case 126, 127: return "the command cannot be run: \(command.first ?? "")"
        default: return "the command ended with \(result)\(line)"
        }
    }
}
