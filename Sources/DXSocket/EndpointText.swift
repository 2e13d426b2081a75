public import DXWire
import Glibc

/// Why a text is no address and port. The description is for the user.
public struct AddressTextError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text as it was given.
    public var text: String
    /// What is wrong with it.
    public var problem: String

    /// Both, in one sentence.
    public var description: String { "\"\(text)\" \(problem)" }
}

extension Endpoint {
    /// Reads `192.0.2.1:7700`, `[2001:db8::1]:7700` or `[fe80::1%eth0]:7700`. Numbers only: nothing is resolved.
    /// Throws `AddressTextError` with words for the user.
    public init(text: String) throws(AddressTextError) {
        // The C library reads up to the first zero byte, and would not see what follows it.
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw AddressTextError(text: text, problem: "has characters that no address has")
        }
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw AddressTextError(text: text, problem: "lacks the ] after the IPv6 address")
            }
            let rest = text[text.index(after: end)...]
            guard rest.hasPrefix(":") else {
                throw AddressTextError(text: text, problem: "lacks a port: write [address]:port")
            }
            let port = try Self.parsePort(rest.dropFirst(), of: text)
            let inside = text[text.index(after: text.startIndex)..<end]
            guard let endpoint = try Self.parseV6(inside, port: port, of: text) else {
                throw AddressTextError(text: text, problem: "has no IPv6 address between the brackets")
            }
            self = endpoint
            return
        }
        let colons = text.filter { $0 == ":" }.count
        guard colons > 0, let colon = text.lastIndex(of: ":") else {
            throw AddressTextError(text: text, problem: "lacks a port: write address:port")
        }
        guard colons == 1 else {
            throw AddressTextError(text: text, problem: "looks like IPv6: write [address]:port")
        }
        let port = try Self.parsePort(text[text.index(after: colon)...], of: text)
        guard let endpoint = Self.parseV4(text[..<colon], port: port) else {
            throw AddressTextError(
                text: text, problem: "has no IPv4 address before the colon (a host name can not stand here)")
        }
        self = endpoint
    }

    /// A port in decimal; `whole` is the text that an error names.
    static func parsePort(_ digits: Substring, of whole: String) throws(AddressTextError) -> UInt16 {
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(digits) else {
            throw AddressTextError(text: whole, problem: "needs a port from 0 to 65535 after the last colon")
        }
        return port
    }

    private static func parseV4(_ text: Substring, port: UInt16) -> Endpoint? {
        var bytes: UInt32 = 0
        guard unsafe inet_pton(AF_INET, String(text), &bytes) == 1 else { return nil }
        return Endpoint(v4: UInt32(bigEndian: bytes), port: port)
    }

    private static func parseV6(
        _ text: Substring, port: UInt16, of whole: String
    ) throws(AddressTextError) -> Endpoint? {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var scope: UInt32 = 0
        if parts.count == 2 {
            scope = unsafe UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
            guard scope != 0 else {
                throw AddressTextError(text: whole, problem: "names an interface that is not here: \(parts[1])")
            }
        }
        var bytes: (UInt64, UInt64) = (0, 0)
        guard let address = parts.first, unsafe inet_pton(AF_INET6, String(address), &bytes) == 1 else { return nil }
        return Endpoint(v6High: UInt64(bigEndian: bytes.0), low: UInt64(bigEndian: bytes.1), scope: scope, port: port)
    }
}
