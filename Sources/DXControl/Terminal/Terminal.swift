import CDXSystem
import Glibc

/// What results are written to: a terminal of some size, with or without colours, or a file or a pipe.
public struct Terminal: Sendable, Hashable {
    /// Columns; nil where it is no terminal: then nothing is cut.
    public var width: Int?
    /// Rows; those of a small screen where it is no terminal.
    public var height: Int
    /// Whether colours may be used: on a terminal that has some, unless NO_COLOR is set (https://no-color.org).
    public var hasColors: Bool

    /// The size of a screen that does not tell its own: that of a VT100.
    public static let usualSize = (width: 80, height: 24)

    /// A file or a pipe.
    public static let plain = Terminal(width: nil, height: usualSize.height, hasColors: false)

    /// From its parts.
    public init(width: Int?, height: Int, hasColors: Bool) {
        self.width = width
        self.height = height
        self.hasColors = hasColors
    }

    /// What standard output is, with `NO_COLOR` and `TERM` of the environment.
    public static func standardOutput(environment: [String: String]) -> Terminal {
        guard isatty(STDOUT_FILENO) == 1 else { return plain }
        let size = size(of: STDOUT_FILENO) ?? usualSize
        return Terminal(width: size.width, height: size.height, hasColors: hasColors(environment))
    }

    /// Whether a terminal with this environment shows colours.
    static func hasColors(_ environment: [String: String]) -> Bool {
        environment["NO_COLOR", default: ""].isEmpty && canMoveCursor(environment)
    }

    /// Whether a terminal with this environment understands more than lines.
    static func canMoveCursor(_ environment: [String: String]) -> Bool {
        !["", "dumb"].contains(environment["TERM", default: ""])
    }

    /// The columns and rows of the terminal behind a descriptor; nil when it does not say.
    static func size(of descriptor: Int32) -> (width: Int, height: Int)? {
        var (columns, rows): (UInt32, UInt32) = (0, 0)
        guard unsafe dx_terminal_size(descriptor, &columns, &rows) == 0 else { return nil }
        return (Int(columns), Int(rows))
    }

    /// The text in this style, where there are colours.
    func styled(_ text: String, _ style: TextStyle) -> String { hasColors ? style.applied(to: text) : text }
}

/// How text looks on a terminal with colours. Nothing is said by colour alone.
public enum TextStyle: Sendable, Hashable {
    /// As the terminal has it.
    case plain
    /// All is well.
    case good
    /// Something is to be looked at.
    case warning
    /// Something is broken.
    case bad
    /// Headings.
    case strong
    /// What is there in case it is looked for.
    case faint
    /// Light on dark instead of dark on light, or the other way round.
    case inverse

    /// The text between the sequences that switch the style on and off (ECMA-48 §8.3.117).
    func applied(to text: String) -> String {
        let number: String
        switch self {
        case .plain: return text
        case .good: number = "32"
        case .warning: number = "33"
        case .bad: number = "1;31"
        case .strong: number = "1"
        case .faint: number = "2"
        case .inverse: number = "7"
        }
        return text.isEmpty ? text : "\u{1B}[\(number)m\(text)\u{1B}[0m"
    }
}
