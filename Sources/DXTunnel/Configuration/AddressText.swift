import DXWire
import Glibc

extension Endpoint {
    /// The endpoint of an IP address in text, IPv4 or IPv6 without brackets, `%zone` allowed; nil for anything else.
    ///
    /// A zone may be the number or the name of an interface; a name that this machine does not have gives nil.
    init?(address text: String, port: UInt16) {
        if let address = Self.parseV4(text[...]) {
            self.init(v4: address, port: port)
            return
        }
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let groups = Self.parseV6(parts[0]) else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            // if_nametoindex answers 0 for a name it does not know.
            if let number = UInt32(parts[1]) { scope = number } else { scope = unsafe if_nametoindex(String(parts[1])) }
            guard scope != 0 else { return nil }
        }
        func word(_ groups: ArraySlice<UInt16>) -> UInt64 { groups.reduce(0) { $0 &<< 16 | UInt64($1) } }
        self.init(v6High: word(groups[..<4]), low: word(groups[4...]), scope: scope, port: port)
    }

    /// Four decimal numbers without leading zeros (RFC 6943 §3.1.1: the strict form).
    private static func parseV4(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.utf8.count == 1 || part.utf8.first != 0x30, let byte = UInt8(part)
            else { return nil }
            address = address &<< 8 | UInt32(byte)
        }
        return address
    }

    /// Eight groups of hexadecimal digits, `::` once, an IPv4 tail allowed (RFC 4291 §2.2).
    private static func parseV6(_ text: Substring) -> [UInt16]? {
        guard let gap = text.firstDoubleColon else {
            let groups = parseGroups(text)
            return groups?.count == 8 ? groups : nil
        }
        let tail = text[text.index(gap, offsetBy: 2)...]
        guard let before = gap == text.startIndex ? [] : parseGroups(text[..<gap], isTail: false),
            let after = tail.isEmpty ? [] : parseGroups(tail), before.count + after.count <= 7
        else { return nil }
        return before + Array(repeating: 0, count: 8 - before.count - after.count) + after
    }

    private static func parseGroups(_ text: Substring, isTail: Bool = true) -> [UInt16]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if isTail, index == parts.count - 1, part.contains("."), let address = parseV4(part) {
                groups += [UInt16(address &>> 16), UInt16(truncatingIfNeeded: address)]
            } else {
                guard (1...4).contains(part.utf8.count), part.first != "+", let group = UInt16(part, radix: 16) else {
                    return nil
                }
                groups.append(group)
            }
        }
        return groups.count <= 8 ? groups : nil
    }
}

extension Substring {
    /// Where the first `::` begins.
    fileprivate var firstDoubleColon: Index? {
        var previous: Index?
        for index in indices {
            if self[index] == ":", let previous, self[previous] == ":" { return previous }
            previous = index
        }
        return nil
    }
}
