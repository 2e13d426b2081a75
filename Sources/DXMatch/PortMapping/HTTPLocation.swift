import DXWire

/// A place of a router's HTTP server: `http://192.168.1.1:5000/rootDesc.xml`. Nothing is resolved: the host is an IPv4 address.
struct HTTPLocation: Equatable, Sendable {
    /// The server.
    let endpoint: Endpoint
    /// What is asked for there, from its first slash on; visible ASCII.
    let path: String

    /// The longest one; descriptions have some 30 bytes.
    static let maximumByteCount = 512

    /// Reads a whole location; nil unless it has a scheme `http`, an address, a port other than 0, and a path of visible ASCII.
    init?(_ text: String) {
        guard Self.isHarmless(text), text.prefix(7).lowercased() == "http://" else { return nil }
        let rest = text.dropFirst(7)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let host = rest[..<end].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = host.first, let port = host.count == 2 ? Self.port(host[1]) : 80, port != 0,
            let endpoint = Endpoint(dottedV4: first, port: port)
        else { return nil }
        self.endpoint = endpoint
        path = end == rest.endIndex ? "/" : String(rest[end...])
    }

    private init(endpoint: Endpoint, path: String) {
        self.endpoint = endpoint
        self.path = path
    }

    /// What a document of this place means by `reference` (RFC 3986 §5.2, without dot segments: routers send none).
    func resolving(_ reference: String) -> HTTPLocation? {
        guard Self.isHarmless(reference), !reference.isEmpty else { return nil }
        if reference.prefix(7).lowercased() == "http://" { return HTTPLocation(reference) }
        if reference.hasPrefix("/") { return HTTPLocation(endpoint: endpoint, path: reference) }
        // What has a colon before its first slash has a scheme (RFC 3986 §4.2), and not this one.
        guard let slash = path.lastIndex(of: "/"), !reference.prefix(while: { $0 != "/" }).contains(":") else {
            return nil
        }
        return HTTPLocation(endpoint: endpoint, path: String(path[...slash]) + reference)
    }

    /// Short, and without spaces, ends of lines and the like: it becomes part of a request.
    private static func isHarmless(_ text: String) -> Bool {
        text.utf8.count <= maximumByteCount && text.utf8.allSatisfy { (0x21..<0x7f).contains($0) }
    }

    private static func port(_ digits: Substring) -> UInt16? {
        digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt16(digits) : nil
    }
}

extension Endpoint {
    /// Reads `192.0.2.1`: four numbers of one to three digits, nothing else.
    init?(dottedV4 text: some StringProtocol, port: UInt16) {
        let parts = text.utf8.split(separator: 0x2e, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            let value = part.reduce(UInt32(0)) { $0 * 10 + UInt32($1 - 0x30) }
            guard value <= 255 else { return nil }
            address = address << 8 | value
        }
        self.init(v4: address, port: port)
    }
}
