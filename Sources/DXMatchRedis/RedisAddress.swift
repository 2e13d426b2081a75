import DXSecure
import Glibc

/// Where a Redis server is: `redis://HOST:PORT/DATABASE`, with a password `redis://:FILE@HOST:PORT/DATABASE`, of which FILE holds it.
/// Port 6379 and database 0 may be left out.
public struct RedisAddress: Equatable, Sendable {
    /// A name or an address.
    public let host: String
    /// Its port.
    public let port: UInt16
    /// The number of the database.
    public let database: Int
    /// The file with the password, under the rules of key files; nil for none.
    public let passwordFile: String?

    /// Why a text is no such address.
    public struct Problem: Error, Equatable, Sendable, CustomStringConvertible {
        /// In words, with what to write.
        public let description: String
    }

    /// Reads one of the forms above.
    public init(text: String) throws(Problem) {
        func problem(_ words: String) -> Problem {
            Problem(description: "\"\(text)\" \(words): write redis://[:PASSWORD-FILE@]HOST:PORT/DATABASE")
        }
        let scheme = "redis://"
        guard text.hasPrefix(scheme) else { throw problem("is no address of a registry") }
        var rest = text.dropFirst(scheme.count)
        if let end = rest.lastIndex(of: "@") {
            guard rest.hasPrefix(":"), rest.index(after: rest.startIndex) < end else {
                throw problem("has something else than :FILE before the @ (the password itself never stands here)")
            }
            passwordFile = String(rest[..<end].dropFirst())
            rest = rest[rest.index(after: end)...]
        } else {
            passwordFile = nil
        }
        if let slash = rest.firstIndex(of: "/") {
            guard let number = Int(rest[rest.index(after: slash)...]), number >= 0 else {
                throw problem("has no number after the slash")
            }
            database = number
            rest = rest[..<slash]
        } else {
            database = 0
        }
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            host = String(rest[..<end].dropFirst())
            rest = rest[rest.index(after: end)...]
        } else {
            host = String(rest.prefix { $0 != ":" })
            rest = rest.drop { $0 != ":" }
        }
        guard !host.isEmpty else { throw problem("names no host") }
        if rest.isEmpty {
            port = 6_379
        } else {
            guard rest.hasPrefix(":"), let number = UInt16(rest.dropFirst()), number > 0 else {
                throw problem("has no port after the colon")
            }
            port = number
        }
    }

    /// The password, if there is one: without the end of its line. Throws `KeyFileError`.
    func password() throws(KeyFileError) -> [UInt8]? {
        guard let passwordFile else { return nil }
        var bytes = try PrivateFile.read(passwordFile, atMost: 4_096)
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { bytes.removeLast() }
        return bytes
    }
}

extension RedisAddress: CustomStringConvertible {
    /// Without the password's file.
    public var description: String {
        "redis://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
    }
}
