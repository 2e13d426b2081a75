import DXTunnel
import Yams

/// The keys of a tunnel that say how it stays available (`docs/ha.md`): `health`, `sticky`, `failback`, `hold`.
enum AvailabilityReading {
    private static let time = "a time such as 500ms, 10s or 1h"

    /// Reads them from the fields of a tunnel.
    static func read(
        _ reader: inout YAMLReader, _ fields: [String: Node], of tunnel: inout GatewayConfiguration.Tunnel,
        at path: ConfigurationPath
    ) {
        if let health = fields["health"] { tunnel.healthCheck = check(&reader, health, at: path.key("health")) }
        tunnel.isSticky = reader.value(
            fields["sticky"], at: path.key("sticky"), fallback: false, form: "true or false",
            parse: { ["true": true, "false": false][$0] })
        tunnel.failback = reader.value(
            fields["failback"], at: path.key("failback"), fallback: nil, form: "manual, or a time such as 30s",
            parse: { text in
                if text == "manual" { return .some(.manual) }
                return Quantity.duration(text).map { .some(.after($0)) }
            })
        tunnel.hold = reader.value(
            fields["hold"], at: path.key("hold"), fallback: nil, form: time,
            parse: { Quantity.duration($0).map(Optional.some) })
    }

    /// Reads a destination's place among the others.
    static func read(
        _ reader: inout YAMLReader, _ fields: [String: Node], of destination: inout GatewayConfiguration.Destination,
        at path: ConfigurationPath
    ) {
        if let order = fields["order"] {
            destination.order = number(&reader, order, at: path.key("order"), fallback: 0)
        }
        if let weight = fields["weight"] {
            destination.weight = number(&reader, weight, at: path.key("weight"), fallback: 1)
        }
    }

    private static func number(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath, fallback: UInt64
    ) -> UInt64 {
        reader.value(
            node, at: path, fallback: fallback, form: "a number up to 65535",
            parse: { Quantity.integer($0).flatMap { $0 <= 65_535 ? UInt64(exactly: $0) : nil } })
    }

    private static func check(
        _ reader: inout YAMLReader, _ node: Node, at path: ConfigurationPath
    ) -> GatewayConfiguration.HealthCheck? {
        let fields = reader.fields(
            of: node, at: path,
            keys: [
                .required("check", example: "tcp"), .optional("interval"), .optional("timeout"), .optional("rise"),
                .optional("fall"), .optional("path"), .optional("expect"), .optional("command"),
            ])
        guard let kind = kind(&reader, fields, at: path) else { return nil }
        var check = GatewayConfiguration.HealthCheck(kind)
        check.interval = reader.value(
            fields["interval"], at: path.key("interval"), fallback: check.interval, form: time, parse: Quantity.duration
        )
        check.timeout = reader.value(
            fields["timeout"], at: path.key("timeout"), fallback: check.timeout, form: time, parse: Quantity.duration)
        check.rise = reader.integer(fields["rise"], at: path.key("rise"), fallback: check.rise)
        check.fall = reader.integer(fields["fall"], at: path.key("fall"), fallback: check.fall)
        return check
    }

    private static func kind(
        _ reader: inout YAMLReader, _ fields: [String: Node], at path: ConfigurationPath
    ) -> GatewayConfiguration.HealthCheck.Kind? {
        let word = reader.value(
            fields["check"], at: path.key("check"), fallback: "", form: "tcp, http or command",
            parse: { ["tcp", "http", "command"].contains($0) ? $0 : nil })
        let allowed = ["http": ["path", "expect"], "command": ["command"]][word] ?? []
        for key in ["path", "expect", "command"] where fields[key] != nil && !allowed.contains(key) && !word.isEmpty {
            reader.fail(path.key(key), "\"\(key)\" is not for the check \(word)", "remove it")
        }
        switch word {
        case "tcp": return .tcp
        case "http":
            let expect = fields["expect"].map { reader.integer($0, at: path.key("expect"), fallback: 200) }
            return .http(
                path: fields["path"].map { reader.text($0, at: path.key("path")) } ?? "/", expect: expect)
        case "command":
            guard let name = fields["command"] else {
                reader.fail(path, "a check by a command names none", "add command: NAME, of health_commands")
                return nil
            }
            return .command(name: reader.text(name, at: path.key("command")))
        default: return nil
        }
    }
}
