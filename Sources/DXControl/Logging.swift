public import DXTunnel
import FoundationEssentials
import Glibc
public import Logging

/// Writes log events as lines, for people or as JSON.
///
/// A line for people: `2026-09-13T08:05:02.070Z info gateway: message key=value`. Control characters in what is logged
/// are escaped, because some of it comes from the network and must not forge lines or drive a terminal. Whoever logs
/// keeps secrets out; the handler cannot know them.
public struct LineLogHandler: LogHandler {
    /// How a line is written.
    public enum Format: String, Sendable, CaseIterable {
        /// For people.
        case text
        /// One JSON object a line, keys in alphabetical order.
        case json
    }

    /// Events below this are dropped. As the switch says, until this is set.
    public var logLevel: Logger.Level {
        get { own ?? levels.level }
        set { own = newValue }
    }
    /// Said with every event.
    public var metadata: Logger.Metadata = [:]
    /// Asked with every event.
    public var metadataProvider: Logger.MetadataProvider?

    private var own: Logger.Level?
    private let levels: LogLevelSwitch
    private let label: String
    private let format: Format
    private let clock: @Sendable () -> Timestamp
    private let sink: @Sendable (String) -> Void

    /// A handler that writes to standard error unless told otherwise.
    public init(
        label: String, format: Format = .text, logLevel: Logger.Level = .info,
        clock: @escaping @Sendable () -> Timestamp = Timestamp.now,
        sink: @escaping @Sendable (String) -> Void = LineLogHandler.writeToStandardError
    ) {
        self.init(label: label, format: format, levels: LogLevelSwitch(logLevel), clock: clock, sink: sink)
    }

    /// A handler whose level can be changed for all that share the switch.
    public init(
        label: String, format: Format = .text, levels: LogLevelSwitch,
        clock: @escaping @Sendable () -> Timestamp = Timestamp.now,
        sink: @escaping @Sendable (String) -> Void = LineLogHandler.writeToStandardError
    ) {
        self.label = label
        self.format = format
        self.levels = levels
        self.clock = clock
        self.sink = sink
    }

    /// One value of the metadata.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one event.
    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        switch format {
        case .text: sink(textLine(event, all))
        case .json: sink(jsonLine(event, all))
        }
    }

    private func textLine(_ event: LogEvent, _ metadata: Logger.Metadata) -> String {
        var line = "\(clock()) \(event.level) \(label): \(Self.printable(event.message.description))"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let text = Self.printable(value.description)
            line += " \(key)=" + (text.isEmpty || text.contains(" ") ? "\"\(text)\"" : text)
        }
        return line + "\n"
    }

    /// The text with control characters as `\u{…}`.
    private static func printable(_ text: String) -> String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .control }
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            result += isControl(scalar) ? scalar.escaped(asASCII: true) : String(scalar)
        }
    }

    private struct Line: Encodable {
        var time: Timestamp
        var level: String
        var logger: String
        var message: String
        var metadata: [String: JSONMetadata]?
    }

    private func jsonLine(_ event: LogEvent, _ metadata: Logger.Metadata) -> String {
        let line = Line(
            time: clock(), level: event.level.rawValue, logger: label, message: event.message.description,
            metadata: metadata.isEmpty ? nil : metadata.mapValues(JSONMetadata.init(value:)))
        guard let data = try? ControlJSON.encode(line) else {
            preconditionFailure("text in lists and dictionaries can be written as JSON")
        }
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// Writes a line in one call, so that lines of several threads do not mix.
    public static func writeToStandardError(_ line: String) {
        var bytes = Array(line.utf8)
        // A full or closed pipe loses the line; there is nowhere to say so.
        _ = unsafe write(STDERR_FILENO, &bytes, bytes.count)
    }
}

/// Metadata in the shape it was given.
private struct JSONMetadata: Encodable {
    let value: Logger.MetadataValue

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case .string(let text): try container.encode(text)
        case .stringConvertible(let value): try container.encode(value.description)
        case .array(let values): try container.encode(values.map(JSONMetadata.init(value:)))
        case .dictionary(let values): try container.encode(values.mapValues(JSONMetadata.init(value:)))
        }
    }
}
