/// One end of a tunnel as a person writes it: `127.0.0.1:80`, `10.0.0.5:8000-8009`, or `unix:/run/app.sock`.
///
/// A value made from text has the right form; one made from parts is checked by `GatewayConfiguration.validate()`.
public enum TunnelAddress: Hashable, Sendable {
    /// A TCP address; with a count above 1 so many ports, from the address's own on.
    case tcp(HostAddress, portCount: Int = 1)
    /// The absolute path of a unix socket (unix(7)).
    case unix(path: String)

    /// The most ports in one tunnel: as many sockets are opened where they listen, and a process has 1,024 by default.
    public static let mostPorts = 1_024
    /// The longest path of a unix socket, in bytes.
    public static let longestPath = GatewayConfiguration.maximumSocketPath

    private static let unixMark = "unix:"

    /// Whether a text is meant to be a unix socket's.
    static func isUnix(_ text: String) -> Bool { text.hasPrefix(unixMark) }

    /// Reads `HOST:PORT`, `HOST:FIRST-LAST` or `unix:/PATH`.
    public init(_ text: String) throws(TunnelAddressError) {
        if Self.isUnix(text) {
            self = .unix(path: String(text.dropFirst(Self.unixMark.count)))
        } else if let colon = text.lastIndex(of: ":"), let hyphen = text[colon...].firstIndex(of: "-"),
            hyphen != text.index(after: colon)
        {
            // Behind the last colon, and a port: a host name may have hyphens, too, and a sign makes no range.
            let last = text[text.index(after: hyphen)...]
            let address = try Self.host(String(text[..<hyphen]))
            // UInt16 takes a sign; a port has none.
            guard last.allSatisfy({ $0.isASCII && $0.isNumber }), let last = UInt16(last), last >= address.port else {
                throw .badRange
            }
            self = .tcp(address, portCount: Int(last) - Int(address.port) + 1)
        } else {
            self = .tcp(try Self.host(text))
        }
        try check()
    }

    private static func host(_ text: String) throws(TunnelAddressError) -> HostAddress {
        do throws(HostAddressError) { return try HostAddress(text) } catch { throw .host(error) }
    }

    /// How many ports it has; 1 for a unix socket.
    public var portCount: Int {
        switch self {
        case .tcp(_, let count): count
        case .unix: 1
        }
    }

    /// The TCP address, of a range its first port's; nil for a unix socket.
    public var host: HostAddress? {
        switch self {
        case .tcp(let address, _): address
        case .unix: nil
        }
    }

    /// Whether it is a single port, which is all that UDP has.
    var isOnePort: Bool { host != nil && portCount == 1 }

    /// The address of one of its ports, counted from 0; of what has but one it is the same for any number.
    func port(_ offset: Int) -> TunnelAddress {
        switch self {
        case .tcp(let address, let count) where count > 1:
            .tcp(HostAddress(host: address.host, port: address.port &+ UInt16(clamping: offset)))
        case .tcp, .unix: self
        }
    }

    /// Reads the permissions of a file, three octal digits, or four that begin with 0; nil for anything else.
    public static func mode(_ text: String) -> UInt16? {
        guard (3...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
            let mode = UInt16(text, radix: 8), mode <= 0o777
        else { return nil }
        return mode
    }

    /// Permissions as text: `0660`.
    static func text(ofMode mode: UInt16) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Throws what is wrong with it.
    func check() throws(TunnelAddressError) {
        switch self {
        case .tcp(let address, let count):
            do throws(HostAddressError) { try address.check() } catch { throw .host(error) }
            guard count != 1 else { return }
            // The first test keeps the third from overflowing.
            guard (2...65_535).contains(count), address.port != 0, Int(address.port) + count - 1 <= 65_535 else {
                throw .badRange
            }
            guard count <= Self.mostPorts else { throw .tooManyPorts(count) }
        case .unix(let path): try Self.check(path)
        }
    }

    private static func check(_ path: String) throws(TunnelAddressError) {
        guard path.hasPrefix("/") else { throw .relativePath }
        guard path.utf8.count <= longestPath else { throw .longPath(path.utf8.count) }
        // A comma begins the options behind an end; what cannot be seen has no place in a name.
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: ",") }) else {
            throw .badPath
        }
        // One path has one form, so that it can be compared with a policy's.
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { throw .crookedPath }
    }
}

extension TunnelAddress: CustomStringConvertible {
    /// The text form.
    public var description: String {
        switch self {
        case .tcp(let address, 1): "\(address)"
        case .tcp(let address, let count): "\(address)-\(Int(address.port) &+ count &- 1)"
        case .unix(let path): Self.unixMark + path
        }
    }
}

/// What is wrong with the text of a `TunnelAddress`.
public enum TunnelAddressError: Error, Hashable, Sendable {
    /// As a TCP address.
    case host(HostAddressError)
    /// The last port is none, or before the first.
    case badRange
    /// More ports than `TunnelAddress.mostPorts`.
    case tooManyPorts(Int)
    /// The path of a unix socket does not begin with a slash.
    case relativePath
    /// So many bytes, more than `TunnelAddress.longestPath`.
    case longPath(Int)
    /// A blank, a comma or a control character in a path.
    case badPath
    /// A path with an empty part, `.` or `..`.
    case crookedPath
}

extension TunnelAddressError: CustomStringConvertible {
    /// The fault in words, to stand after the text it is about.
    public var description: String {
        switch self {
        case .host(let error): "\(error)"
        case .badRange: "has a range of ports that is none"
        case .tooManyPorts(let count): "has \(count) ports"
        case .relativePath: "has a path that does not begin with /"
        case .longPath(let count): "has a path of \(count) bytes"
        case .badPath: "has a blank, a comma or a control character in its path"
        case .crookedPath: "has a path with an empty part, . or .."
        }
    }

    /// What to do about it; `isTarget` when somebody connects to the address.
    public func remedy(isTarget: Bool) -> String {
        switch self {
        case .host(let error): error.remedy(isTarget: isTarget)
        case .badRange: "write the first port, from 1 on, and the last, as in 127.0.0.1:8000-8009"
        case .tooManyPorts: "take at most \(TunnelAddress.mostPorts), or make several tunnels"
        case .relativePath: "write all of it, as in unix:/run/app.sock"
        case .longPath: "take one of at most \(TunnelAddress.longestPath) bytes"
        case .badPath: "give the socket another name"
        case .crookedPath: "write it straight, as in unix:/run/app.sock"
        }
    }
}
