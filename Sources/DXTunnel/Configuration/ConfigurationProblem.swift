/// Where in a configuration something stands, from the outside in.
public struct ConfigurationPath: Hashable, Sendable {
    /// One step inwards.
    public enum Step: Hashable, Sendable {
        /// Into the value of this key, named as in the configuration file.
        case key(String)
        /// Into this element of a list, counted from 0.
        case index(Int)
    }

    /// The steps; none is the configuration as a whole.
    public var steps: [Step]

    /// A path of these steps.
    public init(_ steps: [Step] = []) { self.steps = steps }

    /// The path one key further in.
    public func key(_ key: String) -> ConfigurationPath { ConfigurationPath(steps + [.key(key)]) }
    /// The path one list element further in.
    public func index(_ index: Int) -> ConfigurationPath { ConfigurationPath(steps + [.index(index)]) }

    /// Whether `inner` is this path or stands below it.
    public func contains(_ inner: ConfigurationPath) -> Bool { inner.steps.starts(with: steps) }
}

extension ConfigurationPath: CustomStringConvertible {
    /// `tunnels[0].origins[1].listen`; empty for the whole.
    public var description: String {
        steps.reduce(into: "") { text, step in
            switch step {
            case .key(let key): text += text.isEmpty ? key : ".\(key)"
            case .index(let index): text += "[\(index)]"
            }
        }
    }
}

/// One thing that is wrong with a configuration, and what to do about it.
public struct ConfigurationProblem: Error, Hashable, Sendable {
    /// The kind of a problem, for programs.
    public enum Kind: String, Sendable, Hashable {
        /// A name of the wrong form.
        case badName = "bad_name"
        /// Two things of one name, one id or one address.
        case duplicate
        /// A tunnel names a gateway that is neither this one nor a peer.
        case unknownGateway = "unknown_gateway"
        /// Something that must be there is not.
        case missing
        /// An address of the wrong form, or one that makes no sense there.
        case badAddress = "bad_address"
        /// A number outside its range.
        case outOfRange = "out_of_range"
        /// Parts that do not go together.
        case conflict
    }

    /// Where it stands.
    public let path: ConfigurationPath
    /// What kind it is.
    public let kind: Kind
    /// What is wrong, in a few words.
    public let message: String
    /// What to do, as an instruction.
    public let remedy: String

    /// A problem from its parts.
    public init(path: ConfigurationPath, kind: Kind, message: String, remedy: String) {
        self.path = path
        self.kind = kind
        self.message = message
        self.remedy = remedy
    }
}

extension ConfigurationProblem: CustomStringConvertible {
    /// `tunnels[0].share: 0 is outside 1 to 256; write a number in that range`.
    public var description: String { "\(path): \(message); \(remedy)" }
}

/// A configuration was refused; it has at least one problem.
public struct InvalidConfiguration: Error, Sendable, CustomStringConvertible {
    /// Every problem, in the order of the configuration.
    public let problems: [ConfigurationProblem]

    /// A refusal for these problems.
    public init(problems: [ConfigurationProblem]) { self.problems = problems }

    /// One problem per line.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
