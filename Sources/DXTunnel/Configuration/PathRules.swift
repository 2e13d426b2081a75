/// Which of a host's interfaces carry paths to peers, and which of them first.
public struct PathRules: Sendable, Hashable {
    /// How several paths to a peer are used.
    public var multipath: Multipath
    /// What is said of interfaces; the first rule that an interface's name matches counts.
    public var interfaces: [Rule]

    /// The default: standby, and what is known of interfaces by their names.
    public init(multipath: Multipath = .standby, interfaces: [Rule] = []) {
        self.multipath = multipath
        self.interfaces = interfaces
    }

    /// How several paths to a peer are used.
    public enum Multipath: String, Sendable, Hashable, CaseIterable {
        /// One carries everything, the others are kept ready.
        case standby
        /// What is interactive goes over two at once.
        case redundant
        /// All of one preference carry what they can.
        case aggregate
        /// There is one path, as the routing table has it.
        case off
    }

    /// What a path over an interface is for.
    public enum Preference: UInt8, Sendable, Hashable, Comparable {
        /// It is used before others.
        case primary
        /// It is used when no primary one works.
        case backup

        /// Whether paths of the one are used before those of the other.
        public static func < (left: Preference, right: Preference) -> Bool { left.rawValue < right.rawValue }
    }

    /// What is said of the interfaces whose names match a pattern.
    public struct Rule: Sendable, Hashable {
        /// A name in which `*` stands for any letters and `?` for one.
        public var pattern: String
        /// What their paths are for; nil when they carry none.
        public var preference: Preference?
        /// What goes over them costs money: keepalives, and what they must.
        public var isMetered: Bool

        /// A rule from its parts.
        public init(pattern: String, preference: Preference?, isMetered: Bool = false) {
            self.pattern = pattern
            self.preference = preference
            self.isMetered = isMetered
        }

        /// Whether an interface's name matches.
        func matches(_ name: String) -> Bool { Self.matches(pattern.utf8[...], name.utf8[...]) }

        /// Each `*` is tried from the shortest part on, and only the last one again: the time is the product of both lengths at most.
        private static func matches(_ pattern: Substring.UTF8View, _ name: Substring.UTF8View) -> Bool {
            var (pattern, name) = (pattern, name)
            var last: (pattern: Substring.UTF8View, name: Substring.UTF8View)?
            while let character = name.first {
                if pattern.first == UInt8(ascii: "*") {
                    pattern = pattern.dropFirst()
                    last = (pattern, name)
                } else if let wanted = pattern.first, wanted == character || wanted == UInt8(ascii: "?") {
                    pattern = pattern.dropFirst()
                    name = name.dropFirst()
                } else if let (after, from) = last {
                    pattern = after
                    name = from.dropFirst()
                    last = (after, name)
                } else {
                    return false
                }
            }
            return pattern.allSatisfy { $0 == UInt8(ascii: "*") }
        }
    }

    /// More rules than a host has interfaces are a mistake.
    public static let mostRules = 64
    /// The longest name of an interface (IFNAMSIZ of Linux without its zero).
    public static let longestPattern = 15

    /// Whether a text can be a rule's pattern: as a name of Linux, 1 to 15 bytes without `/`, `:` and spaces.
    public static func isPattern(_ text: String) -> Bool {
        (1...longestPattern).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }

    // MARK: Interfaces

    /// What an interface is for: how good its paths are, in order, and whether they cost money; nil when it carries none.
    struct Use: Sendable, Hashable {
        var preference: Preference
        var isMetered = false
        /// Of two with the same preference the lower one first: real interfaces before those that join others of this host.
        var rank: UInt8 = 0
    }

    /// By the first rule that matches, else by what names tell: modems and links to one other host are backups, what joins others of this
    /// host comes last, and loopback is never used.
    func use(of interface: NetworkSnapshot.Interface) -> Use? {
        let rank: UInt8 = interface.isVirtual ? 1 : 0
        if let rule = interfaces.first(where: { $0.matches(interface.name) }) {
            return rule.preference.map { Use(preference: $0, isMetered: rule.isMetered, rank: rank) }
        }
        if interface.isLoopback { return nil }
        let isModem = Self.modems.contains { $0.matches(interface.name) }
        return Use(
            preference: isModem || interface.isPointToPoint || interface.isVirtual ? .backup : .primary, rank: rank)
    }

    /// Interfaces that are a modem's, by the names that Linux and its tools give them.
    private static let modems = ["wwan*", "wwp*", "ppp*", "usb*", "rmnet*"].map {
        Rule(pattern: $0, preference: .backup)
    }
}
