import DXWire

/// A host and a port as a person writes them: `192.0.2.1:80`, `[2001:db8::1]:80`, `cloud.example:7700`, or `:80`.
///
/// A value made from text has the right form; one made from parts is checked by `GatewayConfiguration.validate()`.
/// Whether an empty host or port 0 makes sense depends on where the address stands, so both are allowed here.
public struct HostAddress: Hashable, Sendable {
    /// An IPv4 address, an IPv6 address without brackets, a host name, or nothing: every address of this machine.
    public var host: String
    /// The port; 0 asks the system for a free one where that makes sense.
    public var port: UInt16

    /// An address from its parts; the host is not checked.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The address of an endpoint.
    init(_ endpoint: Endpoint) { self.init(host: endpoint.addressText, port: endpoint.port) }

    /// Reads `host:port`, where an IPv6 address stands in brackets.
    public init(_ text: String) throws(HostAddressError) {
        let host: Substring
        let port: Substring
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { throw .unclosedBracket }
            let rest = text[text.index(after: close)...]
            guard rest.first == ":" else { throw .missingPort }
            host = text[text.index(after: text.startIndex)..<close]
            port = rest.dropFirst()
            guard host.contains(":") else { throw .bracketsWithoutIPv6 }
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count > 1 else { throw .missingPort }
            guard parts.count == 2 else { throw .unbracketedIPv6 }
            host = parts[0]
            port = parts[1]
        }
        guard !port.isEmpty else { throw .missingPort }
        // UInt16 takes a sign; a port has none.
        guard port.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt16(port) else { throw .badPort }
        self.init(host: String(host), port: number)
        try check()
    }

    /// The address without a look-up, when the host is an IP address; nil for a name and for an empty host.
    var endpoint: Endpoint? { Endpoint(address: host, port: port) }

    /// Whether it stands for every address of the machine in at least one IP version.
    public var isWildcard: Bool { host.isEmpty || endpoint?.isUnspecified == true }

    /// Throws what is wrong with the host; an empty one is right.
    func check() throws(HostAddressError) {
        if host.isEmpty || endpoint != nil { return }
        if host.contains(":") { throw .badIPv6 }
        // A name whose last label is a number would be taken for an IPv4 address (WHATWG URL §3.5); refuse it.
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        if let last = labels.last, !last.isEmpty, last.allSatisfy(\.isNumber) { throw .badIPv4 }
        // RFC 1123 §2.1 and, for the lengths, RFC 1035 §2.3.4. The underscore is not in them but in use.
        guard host.utf8.count <= 253, labels.allSatisfy(Self.isLabel) else { throw .badHostName }
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}

extension HostAddress: CustomStringConvertible {
    /// The text form, with brackets where IPv6 needs them.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What is wrong with the text of a `HostAddress`.
public enum HostAddressError: Error, Hashable, Sendable {
    /// No colon and port at the end.
    case missingPort
    /// The port is not a number from 0 to 65535.
    case badPort
    /// More than one colon outside brackets.
    case unbracketedIPv6
    /// `[` without `]`.
    case unclosedBracket
    /// Brackets around something without a colon.
    case bracketsWithoutIPv6
    /// Not four numbers from 0 to 255.
    case badIPv4
    /// Not an IPv6 address (RFC 4291 §2.2).
    case badIPv6
    /// A character or a length that no host name has.
    case badHostName
}

extension HostAddressError: CustomStringConvertible {
    /// The fault in words, to stand after the text it is about.
    public var description: String {
        switch self {
        case .missingPort: "has no port"
        case .badPort: "has a port that is not a number from 0 to 65535"
        case .unbracketedIPv6: "has an IPv6 address without brackets"
        case .unclosedBracket: "has a [ without its ]"
        case .bracketsWithoutIPv6: "has brackets around what is not an IPv6 address"
        case .badIPv4: "has a wrong IPv4 address"
        case .badIPv6: "has a wrong IPv6 address"
        case .badHostName: "has a wrong host name"
        }
    }
}

extension HostAddressError {
    /// What to do about it; `isTarget` when somebody connects to the address, so that it needs a host.
    public func remedy(isTarget: Bool) -> String {
        switch self {
        case .missingPort: isTarget ? "add one, as in 192.0.2.1:7700" : "add one, as in 127.0.0.1:8080 or :7700"
        case .badPort: "write a number after the last colon"
        case .unbracketedIPv6: "write the address in brackets, as in [2001:db8::1]:7700"
        case .unclosedBracket, .bracketsWithoutIPv6: "write IPv6 as [2001:db8::1]:7700 and all else without brackets"
        case .badIPv4: "write four numbers from 0 to 255, as in 192.0.2.1:7700"
        case .badIPv6: "write it as in [2001:db8::1]:7700"
        case .badHostName: "use letters, digits, '-' and '.', as in cloud.example:7700"
        }
    }
}
