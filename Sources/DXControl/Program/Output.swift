import FoundationEssentials
import Glibc

/// What a program says: results to standard output, all else to standard error.
public enum Output {
    /// A result.
    public static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// A result, as long as anybody reads results; false when nobody does any more (`head`, `grep -m1`), and what comes need not be found out.
    public static func lineIfRead(_ text: String) -> Bool { write(text + "\n", to: STDOUT_FILENO) }

    /// Whether anybody reads results: false when standard output is a pipe or socket that nobody has open.
    public static var isRead: Bool {
        var wait = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        guard unsafe poll(&wait, 1, 0) > 0 else { return true }
        return Int32(wait.revents) & (Int32(POLLERR) | Int32(POLLNVAL)) == 0
    }

    /// All else.
    public static func error(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// What goes on, on the last line of a terminal, in place of what stood there; nothing clears it.
    public static func status(_ text: String) { write("\r\u{1B}[K" + text, to: STDERR_FILENO) }

    /// What a terminal that is taken over (`RawTerminal`) shows: no newline is added.
    static func raw(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// A result as one JSON object on one line, keys in alphabetical order.
    public static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        line(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// False when it cannot be written.
    @discardableResult
    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            // A closed pipe: whoever read has read enough.
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
