/// A key of a terminal.
public enum TerminalKey: Sendable, Hashable {
    /// A character of its own.
    case character(Character)
    /// A letter with the control key, in lower case.
    case control(Character)
    case tab, escape, up, down, pageUp, pageDown, home, end
    /// One that nobody here waits for.
    case other

    /// The keys that a terminal sent at a time (ECMA-48 §5.4; xterm's names of the keys). Whatever cannot be read is `other`.
    public static func read(_ bytes: [UInt8]) -> [TerminalKey] {
        var keys: [TerminalKey] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 9: keys.append(.tab)
            case 0x1B: keys.append(sequence(&rest))
            case 1...26: keys.append(.control(Character(UnicodeScalar(byte - 1 + UInt8(ascii: "a")))))
            case 0x20...0x7E: keys.append(.character(Character(UnicodeScalar(byte))))
            default: keys.append(.other)
            }
        }
        return keys
    }

    /// What follows an escape character.
    private static func sequence(_ rest: inout ArraySlice<UInt8>) -> TerminalKey {
        guard let first = rest.first else { return .escape }
        guard first == UInt8(ascii: "[") || first == UInt8(ascii: "O") else {
            rest.removeFirst()
            return .other
        }
        rest.removeFirst()
        let parameters = rest.prefix { (0x20...0x3F).contains($0) }
        rest.removeFirst(parameters.count)
        guard let final = rest.popFirst() else { return .other }
        switch (final, parameters.first) {
        case (UInt8(ascii: "A"), nil): return .up
        case (UInt8(ascii: "B"), nil): return .down
        case (UInt8(ascii: "H"), nil), (UInt8(ascii: "~"), UInt8(ascii: "1")): return .home
        case (UInt8(ascii: "F"), nil), (UInt8(ascii: "~"), UInt8(ascii: "4")): return .end
        case (UInt8(ascii: "~"), UInt8(ascii: "5")): return .pageUp
        case (UInt8(ascii: "~"), UInt8(ascii: "6")): return .pageDown
        default: return .other
        }
    }
}
