import CDXSystem
import Glibc

/// The terminal while a program fills it: keys come one by one, and what was on the screen is there again afterwards, however the
/// program ends (`dx_terminal_take`). There is one in a process.
public enum RawTerminal {
    /// Why there is none.
    public enum Failure: Error, Sendable, Hashable {
        /// Input or output is none, or it understands nothing but lines.
        case noTerminal
        /// The system said no.
        case system(Int32)
    }

    /// Takes it over, on standard input and output.
    public static func take(environment: [String: String]) throws(Failure) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, Terminal.canMoveCursor(environment) else {
            throw .noTerminal
        }
        let code = dx_terminal_take(STDIN_FILENO, STDOUT_FILENO)
        guard code == 0 else { throw .system(-code) }
    }

    /// Gives it back as it was; nothing when it is not taken.
    public static func giveBack() { dx_terminal_give_back() }

    /// Gives it back, stops as Ctrl-Z does, and takes it again when the shell lets the program go on.
    public static func suspend(environment: [String: String]) throws(Failure) {
        giveBack()
        raise(SIGTSTP)
        try take(environment: environment)
    }

    /// Its size now.
    public static var size: (width: Int, height: Int) { Terminal.size(of: STDOUT_FILENO) ?? Terminal.usualSize }

    /// Waits for keys, another size, or `wake()`; blocks its thread. Nil when the terminal is gone.
    public static func wait(milliseconds: Int) -> [TerminalKey]? {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe dx_terminal_wait(Int32(clamping: max(0, milliseconds)), &bytes, bytes.count)
        return count < 0 ? nil : TerminalKey.read(Array(bytes.prefix(Int(count))))
    }

    /// Ends a wait, from any thread.
    public static func wake() { dx_terminal_wake() }

    /// Shows lines in place of what is there, in one piece: nothing flickers, also over a slow line.
    public static func show(_ lines: [TopLayout.Line], hasColors: Bool) {
        let texts = lines.map { (hasColors ? $0.style.applied(to: $0.text) : $0.text) + "\u{1B}[K" }
        Output.raw("\u{1B}[H" + texts.joined(separator: "\r\n") + "\u{1B}[J")
    }
}
