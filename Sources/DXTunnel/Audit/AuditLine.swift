/// A record as a line of the audit file (`docs/state-directory.md` §7): fields with tabs between them, a mark at the end by which
/// a line that was torn is told from a whole one.
enum AuditLine {
    /// What such lines begin with: their version.
    private static let version = "1"
    private static let mark = "."
    /// A line is no longer; texts are cut to a part of it.
    static let longest = 2_048
    private static let longestText = 256

    /// The line, with its end.
    static func text(_ record: AuditRecord) -> String {
        let fields: [String] = [
            version, String(record.time.unixMilliseconds), escaped(record.tunnel), record.role.rawValue,
            record.networkProtocol.rawValue, escaped(record.peer ?? ""), escaped(record.client ?? ""),
            escaped(record.target ?? ""), String(record.start.unixMilliseconds), String(record.durationMilliseconds),
            String(record.bytesToTarget), String(record.bytesToClient), record.end.rawValue,
            escaped(record.reason ?? ""), record.count.map { String($0) } ?? "", mark,
        ]
        return fields.joined(separator: "\t") + "\n"
    }

    /// Reads a line without its end; nil for one that is torn, of another version, or no such line.
    static func record(_ line: Substring) -> AuditRecord? {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard fields.count == 16, fields[0] == version, fields[15] == mark, let time = Int64(fields[1]),
            let role = TunnelStatus.Role(rawValue: String(fields[3])),
            let networkProtocol = GatewayConfiguration.NetworkProtocol(rawValue: String(fields[4])),
            let start = Int64(fields[8]), let duration = UInt64(fields[9]), let up = UInt64(fields[10]),
            let down = UInt64(fields[11]), let end = AuditRecord.End(rawValue: String(fields[12]))
        else { return nil }
        func optional(_ index: Int) -> String? { fields[index].isEmpty ? nil : unescaped(fields[index]) }
        var record = AuditRecord(
            time: Timestamp(unixMilliseconds: time), tunnel: unescaped(fields[2]), role: role,
            networkProtocol: networkProtocol, peer: optional(5), client: optional(6), target: optional(7), end: end,
            reason: optional(13))
        record.start = Timestamp(unixMilliseconds: start)
        record.durationMilliseconds = duration
        record.bytesToTarget = up
        record.bytesToClient = down
        record.count = UInt64(fields[14])
        return record
    }

    /// Text without what separates fields and lines, and not too long.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.onOneLine {
            guard result.utf8.count + character.utf8.count <= longestText else { break }
            result += character == "\\" ? "\\\\" : String(character)
        }
        return result
    }

    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var isEscaped = false
        for character in text {
            if character == "\\" && !isEscaped {
                isEscaped = true
                continue
            }
            isEscaped = false
            result.append(character)
        }
        return result
    }
}
