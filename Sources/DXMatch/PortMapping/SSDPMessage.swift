import DXWire

/// The search for a device by multicast (UPnP Device Architecture 2.0 §1.3.2, §1.3.3): lines of text as in HTTP.
enum SSDPMessage {
    /// What is looked for: both versions of the device, and the services, for devices that answer to their own name only.
    static let targets = [
        "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
        "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
    ]
    /// The largest answer that is read; usual ones are 300 to 500 bytes.
    static let maximumAnswer = 2_048

    /// The datagram that looks for `target`. A device answers within a second, at random.
    static func search(_ target: String) -> [UInt8] {
        let lines = [
            "M-SEARCH * HTTP/1.1", "HOST: 239.255.255.250:1900", "MAN: \"ssdp:discover\"", "MX: 1", "ST: \(target)",
        ]
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// The description's place in an answer to a search: of a line `LOCATION: http://…`, the first one. Total; nil for
    /// whatever is no answer to one of our searches.
    static func location(in answer: [UInt8]) -> String? {
        guard answer.count <= maximumAnswer, answer.allSatisfy(isPlain) else { return nil }
        let text = String(decoding: answer, as: UTF8.self)
        // "\r\n" is one Character, so both kinds of line ends are seen.
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard let first = lines.first, first.hasPrefix("HTTP/1."),
            first.split(separator: " ").dropFirst().first == "200"
        else { return nil }
        var location: String?
        var isWanted = false
        for line in lines.dropFirst() {
            guard !line.isEmpty else { break }
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].trimmed
            switch line[..<colon].lowercased() {
            case "location": location = location ?? value
            case "st": isWanted = isWanted || targets.contains { withoutVersion($0) == withoutVersion(value) }
            default: break
            }
        }
        return isWanted ? location : nil
    }

    /// ASCII that is seen, spaces, and ends of lines.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x20..<0x7f).contains(byte) || byte == 9 || byte == 10 || byte == 13
    }

    /// A device of a later version may answer with that.
    private static func withoutVersion(_ target: String) -> Substring {
        target.lastIndex(of: ":").map { target[..<$0] } ?? target[...]
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    fileprivate var trimmed: String {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}
