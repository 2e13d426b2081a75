public import DXWire
internal import Foundation

/// The packet flow of a simulation, written as a Mermaid sequence diagram in a Markdown file: datagrams with what is in
/// them and when they arrived or that they were lost, and notes about what the hosts did.
public final class FlowLog {
    private enum Entry {
        case datagram(number: UInt64, from: String, to: String, sentAt: Instant, text: String)
        case note(host: String, at: Instant, text: String)
    }
    private var entries: [Entry] = []
    private var arrivals: [UInt64: [Instant]] = [:]
    private var omittedCount = 0
    private var participants: [String] = []

    /// A diagram of more lines cannot be read, and Mermaid refuses to draw it; the newest lines are kept.
    public static let maximumEntryCount = 4_000

    /// An empty log.
    public init() {}

    /// A host sent a datagram.
    public func sent(number: UInt64, from: String, to: String, at now: Instant, text: String) {
        append(.datagram(number: number, from: from, to: to, sentAt: now, text: text), hosts: [from, to])
    }

    /// A datagram (or a copy of it) arrived.
    public func arrived(number: UInt64, at now: Instant) { arrivals[number, default: []].append(now) }

    /// A host did or learned something.
    public func note(_ host: String, at now: Instant, _ text: String) {
        append(.note(host: host, at: now, text: text), hosts: [host])
    }

    private func append(_ entry: Entry, hosts: [String]) {
        for host in hosts where !participants.contains(host) { participants.append(host) }
        entries.append(entry)
        guard entries.count > 2 * Self.maximumEntryCount else { return }
        entries.removeFirst(Self.maximumEntryCount)
        omittedCount += Self.maximumEntryCount
    }

    /// The diagram.
    public var mermaid: String {
        var lines = ["sequenceDiagram"]
        for participant in participants { lines.append("    participant \(participant)") }
        if omittedCount > 0 { lines.append("    Note over \(participants[0]): \(omittedCount) earlier lines left out") }
        for entry in entries {
            switch entry {
            case .note(let host, let now, let text):
                lines.append("    Note over \(host): \(now) \(Self.escape(text))")
            case .datagram(let number, let from, let to, let sentAt, let text):
                let times = arrivals[number] ?? []
                let fate = times.isEmpty ? "lost" : times.map { "+\($0 - sentAt)" }.joined(separator: " and ")
                let arrow = times.isEmpty ? "--x" : "->>"
                lines.append("    \(from)\(arrow)\(to): \(sentAt) \(fate) \(Self.escape("#\(number) \(text)"))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Writes the diagram to `NAME-SEED.md` in the directory for flows and returns its path.
    public func write(name: String, seed: UInt64) throws -> String {
        let directory = URL(fileURLWithPath: Replay.environment("DX_FLOWS") ?? ".build/flows")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let stem = name.filter { $0.isLetter || $0.isNumber }
        let file = directory.appendingPathComponent("\(stem)-\(seed).md")
        try "# \(name), seed \(seed)\n\n```mermaid\n\(mermaid)```\n".write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    /// Mermaid takes `;` and `#` for its own.
    private static func escape(_ text: String) -> String {
        text.replacingOccurrences(of: "#", with: "№").replacingOccurrences(of: ";", with: ",")
            .replacingOccurrences(of: "\n", with: " ")
    }
}
