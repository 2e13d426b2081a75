import DXTunnel
import Yams

/// `paths` and `multipath`, the same in both kinds of files.
extension YAMLReader {
    private static let example = "{wwan0: [backup, metered], \"eth*\": [primary], docker0: [off]}"

    /// Reads which interfaces carry paths, and how several are used.
    mutating func pathRules(_ fields: [String: Node], at root: ConfigurationPath) -> PathRules {
        var rules = PathRules()
        rules.multipath = value(
            fields["multipath"], at: root.key("multipath"), fallback: rules.multipath,
            form: PathRules.Multipath.allCases.map(\.rawValue).joined(separator: " or "),
            parse: PathRules.Multipath.init(rawValue:))
        guard let node = fields["paths"] else { return rules }
        let path = root.key("paths")
        for (name, value) in entries(of: node, at: path, example: Self.example) {
            guard PathRules.isPattern(name) else {
                fail(
                    path.key(name), "\"\(name)\" is no interface's name",
                    "write it as ip link shows it, at most \(PathRules.longestPattern) characters; * stands for any")
                continue
            }
            if let rule = pathRule(name, value, at: path.key(name)) { rules.interfaces.append(rule) }
        }
        return rules
    }

    /// One word or a list of words; nil when they make no sense, which is reported.
    private mutating func pathRule(_ pattern: String, _ node: Node, at path: ConfigurationPath) -> PathRules.Rule? {
        let words: [String]
        if case .sequence = node {
            words = list(node, at: path) { reader, node, path in reader.text(node, at: path) }
        } else {
            words = [text(node, at: path)]
        }
        guard !broken.contains(where: { path.contains($0) || $0.contains(path) }) else { return nil }
        let said = Set(words)
        if let unknown = words.first(where: { !["primary", "backup", "metered", "off"].contains($0) }) {
            fail(path, "\"\(unknown)\" is not what an interface can be", "write primary, backup, metered or off")
            return nil
        }
        guard !words.isEmpty, said.count == words.count else {
            fail(path, words.isEmpty ? "nothing is said" : "a word twice", "write one or two words, as \(Self.example)")
            return nil
        }
        guard said.count == 1 || said == ["primary", "metered"] || said == ["backup", "metered"] else {
            fail(
                path, "\(words.joined(separator: " and ")) at once",
                "write off alone, or primary or backup, with metered if it costs money")
            return nil
        }
        if said.contains("off") { return PathRules.Rule(pattern: pattern, preference: nil) }
        // What costs money is not used first, unless that is said.
        return PathRules.Rule(
            pattern: pattern, preference: said.contains("primary") ? .primary : .backup,
            isMetered: said.contains("metered"))
    }
}
