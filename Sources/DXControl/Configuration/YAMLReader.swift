import DXTunnel
import Yams

/// Strict, typed access to the nodes of a YAML text, collecting every fault instead of stopping at the first.
///
/// A value that cannot be read is replaced by a stand-in and its path noted in `broken`, so that later checks can leave
/// alone what follows from it.
struct YAMLReader {
    typealias Position = ConfigurationFileProblem.Position

    /// One fault and where it is.
    struct Fault {
        var position: Position
        var message: String
        var remedy: String
    }

    /// A key that a mapping may have.
    struct Key {
        let name: String
        /// What to write when the key is missing and must not be; nil when it may be missing.
        let example: String?

        static func required(_ name: String, example: String) -> Key { Key(name: name, example: example) }
        static func optional(_ name: String) -> Key { Key(name: name, example: nil) }
    }

    /// What was wrong so far.
    private(set) var faults: [Fault] = []
    /// The paths whose values could not be read.
    private(set) var broken: [ConfigurationPath] = []
    /// Where each value that was looked at stands.
    private(set) var positions: [ConfigurationPath: Position] = [:]
    private let composition: YAMLComposition

    init(_ composition: YAMLComposition) { self.composition = composition }

    /// Where the value at `path` stands, or else the nearest one around it.
    func position(of path: ConfigurationPath) -> Position {
        var path = path
        while true {
            if let position = positions[path] { return position }
            if path.steps.isEmpty { return Position(line: 1, column: 1) }
            path.steps.removeLast()
        }
    }

    /// Notes a fault of the value at `path`, which is then broken.
    mutating func fail(_ path: ConfigurationPath, _ message: String, _ remedy: String) {
        faults.append(Fault(position: position(of: path), message: message, remedy: remedy))
        broken.append(path)
    }

    // MARK: Mappings

    /// The values of a mapping by key. Unknown, repeated and missing keys are faults.
    mutating func fields(of node: Node, at path: ConfigurationPath, keys: [Key]) -> [String: Node] {
        note(node, at: path)
        guard case .mapping(let mapping) = node else {
            fail(path, "\(describe(path)) must have keys, not \(Self.kind(of: node))", "write \(Self.list(keys))")
            return [:]
        }
        var fields: [String: Node] = [:]
        var occurrences: [String: [Position]] = [:]
        for (key, value) in mapping {
            let position = Self.position(of: key) ?? position(of: path)
            guard let text = key.scalar?.string else {
                faults.append(
                    Fault(position: position, message: "a key that is not text", remedy: "use \(Self.list(keys))"))
                continue
            }
            let name = composition.original(of: text).name
            occurrences[name, default: []].append(position)
            guard keys.contains(where: { $0.name == name }) else {
                faults.append(Self.unknownKey(name, at: position, keys: keys))
                continue
            }
            if fields.updateValue(value, forKey: name) == nil { note(value, at: path.key(name)) }
        }
        for (name, positions) in occurrences {
            let ordered = positions.sorted()
            for position in ordered.dropFirst() {
                faults.append(
                    Fault(
                        position: position, message: "key \"\(name)\" again; the first is in line \(ordered[0].line)",
                        remedy: "keep one"))
            }
        }
        for key in keys where occurrences[key.name] == nil {
            guard let example = key.example else { continue }
            faults.append(
                Fault(
                    position: position(of: path), message: "missing key \"\(key.name)\"\(Self.place(path))",
                    remedy: "add \(key.name): \(example)"))
            broken.append(path.key(key.name))
        }
        return fields
    }

    /// The keys that a mapping has, where they are names of the file's own; none when it is no mapping.
    func keys(of node: Node, at path: ConfigurationPath) -> [String] {
        guard case .mapping(let mapping) = node else { return [] }
        return mapping.compactMap { key, _ in key.scalar.map { composition.original(of: $0.string).name } }
    }

    /// The keys and values of a mapping whose keys are the writer's own words, in the order of the text. Repeated ones are faults.
    mutating func entries(of node: Node, at path: ConfigurationPath, example: String) -> [(name: String, value: Node)] {
        note(node, at: path)
        guard case .mapping(let mapping) = node else {
            fail(path, "\(describe(path)) must have keys, not \(Self.kind(of: node))", "write it as \(example)")
            return []
        }
        var entries: [(name: String, value: Node)] = []
        for (key, value) in mapping {
            let place = Self.position(of: key) ?? position(of: path)
            guard let text = key.scalar?.string else {
                faults.append(
                    Fault(position: place, message: "a key that is not text", remedy: "write it as \(example)"))
                continue
            }
            let name = composition.original(of: text).name
            if entries.contains(where: { $0.name == name }) {
                faults.append(Fault(position: place, message: "key \"\(name)\" again", remedy: "keep one"))
                continue
            }
            note(value, at: path.key(name))
            entries.append((name, value))
        }
        return entries
    }

    private static func unknownKey(_ name: String, at position: Position, keys: [Key]) -> Fault {
        let nearest = keys.map { (name: $0.name, distance: name.editDistance(to: $0.name)) }
            .min { $0.distance < $1.distance }
        // Two slips of the finger; more is another word.
        if let nearest, nearest.distance <= 2 {
            return Fault(
                position: position, message: "unknown key \"\(name)\"", remedy: "did you mean \"\(nearest.name)\"?")
        }
        return Fault(position: position, message: "unknown key \"\(name)\"", remedy: "use \(list(keys))")
    }

    // MARK: Lists

    /// The elements of a list, each made by `element`, which is given the element's path.
    mutating func list<Element>(
        _ node: Node?, at path: ConfigurationPath,
        element: (inout YAMLReader, Node, ConfigurationPath) -> Element
    ) -> [Element] {
        guard let node else { return [] }
        note(node, at: path)
        guard case .sequence(let sequence) = node else {
            fail(
                path, "\(describe(path)) must be a list, not \(Self.kind(of: node))",
                "begin each element with \"- \", or write [] for none")
            return []
        }
        return sequence.enumerated().map { index, node in
            let path = path.index(index)
            note(node, at: path)
            return element(&self, node, path)
        }
    }

    // MARK: Scalars

    /// Text, as written; empty when it is missing or not text.
    mutating func text(_ node: Node?, at path: ConfigurationPath) -> String {
        guard let node else { return "" }
        note(node, at: path)
        guard case .scalar(let scalar) = node else {
            fail(path, "\(describe(path)) must be text, not \(Self.kind(of: node))", "write one value")
            return ""
        }
        guard !Self.isNull(scalar) else {
            fail(path, "\(describe(path)) has no value", "write one after the colon, or remove the key")
            return ""
        }
        return scalar.string
    }

    /// A value that `parse` makes of text; `fallback` when it is missing or wrong. `form` says what to write.
    mutating func value<Value>(
        _ node: Node?, at path: ConfigurationPath, fallback: Value, form: String, parse: (String) -> Value?
    ) -> Value {
        guard let node else { return fallback }
        note(node, at: path)
        if case .scalar(let scalar) = node, let value = parse(scalar.string) { return value }
        let found =
            switch node {
            case .scalar(let scalar) where Self.isNull(scalar): "has no value"
            case .scalar(let scalar): "is \"\(scalar.string)\""
            case .mapping, .sequence, .alias: "is \(Self.kind(of: node))"
            }
        fail(path, "\(describe(path)) \(found)", "write \(form)")
        return fallback
    }

    /// A whole number; like `value`, and refused in quotes, where it is text (YAML 1.2 §10.3.2).
    mutating func integer(_ node: Node?, at path: ConfigurationPath, fallback: Int) -> Int {
        if let node, case .scalar(let scalar) = node, scalar.style != .plain {
            note(node, at: path)
            fail(path, "\(describe(path)) is text", "write a number without quotes")
            return fallback
        }
        return value(node, at: path, fallback: fallback, form: "a number", parse: Quantity.integer)
    }

    // MARK: Words

    private mutating func note(_ node: Node, at path: ConfigurationPath) {
        if let position = Self.position(of: node) { positions[path] = position }
    }

    private static func position(of node: Node) -> Position? {
        node.mark.map { Position(line: $0.line, column: $0.column) }
    }

    private static func isNull(_ scalar: Node.Scalar) -> Bool {
        // YAML 1.2 §10.2.1.1.
        scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    private static func kind(of node: Node) -> String {
        switch node {
        case .scalar(let scalar): isNull(scalar) ? "nothing" : "text"
        case .sequence: "a list"
        case .mapping: "keys and values"
        case .alias: "an alias"
        }
    }

    private func describe(_ path: ConfigurationPath) -> String {
        path.steps.isEmpty ? "the file" : "\"\(path)\""
    }

    private static func place(_ path: ConfigurationPath) -> String { path.steps.isEmpty ? "" : " in \(path)" }

    private static func list(_ keys: [Key]) -> String {
        let names = keys.map(\.name)
        return names.count == 1 ? names[0] : names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
    }
}

extension String {
    /// How many characters must be inserted, removed or replaced to make `other` of this (Levenshtein).
    fileprivate func editDistance(to other: String) -> Int {
        let other = Array(other)
        var row = Array(0...other.count)
        for (index, character) in enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let replaced = diagonal + (character == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = Swift.min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[other.count]
    }
}
