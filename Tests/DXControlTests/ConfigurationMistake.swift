import Testing

/// A configuration file with mistakes, and all that should be said about them.
struct ConfigurationMistake: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    let problems: [String]

    var testDescription: String { name }

    init(_ name: String, _ text: String, _ problems: [String]) {
        self.name = name
        self.text = text
        self.problems = problems
    }

    /// A file that is right up to line 3, then `rest`.
    private static func after(_ rest: String) -> String {
        "name: edge-1\nidentity: edge-1.key\nveil: group.key\n" + rest
    }

    /// As `after`, with peer cloud-1 in lines 4 and 5.
    private static func withPeer(_ rest: String) -> String {
        after("peers:\n  - {name: cloud-1, id: \(idText("b"))}\n" + rest)
    }

    static let all: [ConfigurationMistake] = keys + values + peers + tunnels + rates + options + several

    private static let known =
        "use name, identity, veil, listen, control, peers, tunnels, limits, health_commands, paths, multipath, audit or metrics"

    private static let keys: [ConfigurationMistake] = [
        ConfigurationMistake(
            "empty", "", ["edge.yaml:1:1: the file is empty; begin with name, identity and veil"]),
        ConfigurationMistake(
            "not YAML", "name: [a\nlisten: x\n",
            [
                "edge.yaml:2:7: not YAML: did not find expected ',' or ']';"
                    + " check this line and the one above: indentation, colons, brackets, quotes"
            ]),
        ConfigurationMistake(
            "a tab", "name:\n\t- a\n",
            [
                "edge.yaml:2:1: not YAML: found character that cannot start any token;"
                    + " indent with spaces, not tabs, and put text that begins with @, ` or % in quotes"
            ]),
        ConfigurationMistake(
            "not a mapping", "- a\n",
            [
                "edge.yaml:1:1: the file must have keys, not a list; write name, identity, veil, listen, control, peers,"
                    + " tunnels, limits, health_commands, paths, multipath, audit or metrics"
            ]),
        ConfigurationMistake(
            "missing keys", "listen: ':0'\n",
            [
                "edge.yaml:1:1: missing key \"name\"; add name: edge-1",
                "edge.yaml:1:1: missing key \"identity\"; add identity: edge-1.key",
                "edge.yaml:1:1: missing key \"veil\"; add veil: group.key",
            ]),
        ConfigurationMistake(
            "unknown keys", after("lisetn: ':0'\npassword: x\n"),
            [
                "edge.yaml:4:1: unknown key \"lisetn\"; did you mean \"listen\"?",
                "edge.yaml:5:1: unknown key \"password\"; \(known)",
            ]),
        ConfigurationMistake(
            "repeated keys",
            "name: edge-1\nname: edge-2\nidentity: edge-1.key\n\"veil\": group.key\nveil: old.key\n"
                + "name: edge-3\n",
            [
                "edge.yaml:2:1: key \"name\" again; the first is in line 1; keep one",
                "edge.yaml:5:1: key \"veil\" again; the first is in line 4; keep one",
                "edge.yaml:6:1: key \"name\" again; the first is in line 1; keep one",
            ]),
        ConfigurationMistake(
            "a repeated key inside", withPeer("limits: {memory: 64MiB, connections: 5, memory: 65MiB}\n"),
            ["edge.yaml:6:41: key \"memory\" again; the first is in line 6; keep one"]),
    ]

    private static let values: [ConfigurationMistake] = [
        ConfigurationMistake(
            "no value", "name:\nidentity: ~\nveil: null\n",
            [
                "edge.yaml:1:6: \"name\" has no value; write one after the colon, or remove the key",
                "edge.yaml:2:11: \"identity\" has no value; write one after the colon, or remove the key",
                "edge.yaml:3:7: \"veil\" has no value; write one after the colon, or remove the key",
            ]),
        ConfigurationMistake(
            "wrong kinds", "name: [edge-1]\nidentity: {file: edge-1.key}\nveil: group.key\npeers: cloud-1\nlimits: 5\n",
            [
                "edge.yaml:1:7: \"name\" must be text, not a list; write one value",
                "edge.yaml:2:11: \"identity\" must be text, not keys and values; write one value",
                "edge.yaml:4:8: \"peers\" must be a list, not text; begin each element with \"- \", or write [] for"
                    + " none",
                "edge.yaml:5:9: \"limits\" must have keys, not text; write memory, connections, connect_timeout,"
                    + " socket_buffer, threads, liveness, drain_timeout or restart_timeout",
            ]),
        ConfigurationMistake(
            "bad name", "name: edge 1\nidentity: edge-1.key\nveil: group.key\n",
            [
                "edge.yaml:1:7: bad name \"edge 1\"; use 1 to 63 letters, digits, '.', '-' and '_', beginning with a"
                    + " letter or digit"
            ]),
        ConfigurationMistake(
            "missing files", "name: edge-1\nidentity: no.key\nveil: [group.key, sub/no.key]\n",
            [
                "edge.yaml:2:11: identity \"no.key\" does not exist; make it with dxgateway keygen --out no.key",
                "edge.yaml:3:19: veil \"sub/no.key\" does not exist; make it with dxgateway keygen --veil --out"
                    + " sub/no.key",
            ]),
        ConfigurationMistake(
            "three veils", "name: edge-1\nidentity: edge-1.key\nveil: [group.key, old.key, group.key]\n",
            ["edge.yaml:3:7: 3 veils; keep at most two: the new one and the old one"]),
        ConfigurationMistake(
            "no veil", "name: edge-1\nidentity: edge-1.key\nveil: []\n",
            ["edge.yaml:3:7: no veil; name the file that dxgateway keygen --veil wrote"]),
        ConfigurationMistake(
            "one veil twice", "name: edge-1\nidentity: edge-1.key\nveil: [group.key, group.key]\n",
            ["edge.yaml:3:7: the same veil twice; remove one, or name the new one first and the old second"]),
        ConfigurationMistake(
            "listen without port", after("listen: 7700\n"),
            ["edge.yaml:4:9: \"7700\" has no port; add one, as in 127.0.0.1:8080 or :7700"]),
        ConfigurationMistake(
            "listen IPv6 without brackets", after("listen: \"::1:7700\"\n"),
            [
                "edge.yaml:4:9: \"::1:7700\" has an IPv6 address without brackets; write the address in brackets, as"
                    + " in [2001:db8::1]:7700"
            ]),
        ConfigurationMistake(
            "control too long", after("control: /run/\(String(repeating: "x", count: 120))\n"),
            ["edge.yaml:4:10: a socket path of 125 bytes; use a path of at most 103 bytes"]),
        ConfigurationMistake(
            "limits",
            after(
                "limits:\n  memory: 1MB\n  connections: 0\n  connect_timeout: \"10\"\n  socket_buffer: 1\n  threads: 0\n"
            ),
            [
                "edge.yaml:5:11: \"limits.memory\" is \"1MB\"; write a size such as 65536, 512KiB or"
                    + " 64MiB",
                "edge.yaml:6:16: 0 is outside 1 to 65536; write a number in that range",
                "edge.yaml:7:20: \"limits.connect_timeout\" is \"10\"; write a time such as 500ms, 10s or 2m",
                "edge.yaml:8:18: 1 is outside 65536 to 268435456; write a number in that range",
                "edge.yaml:9:12: 0 is outside 1 to 16; write a number in that range",
            ]),
    ]

    private static let peers: [ConfigurationMistake] = [
        ConfigurationMistake(
            "peers",
            after(
                """
                peers:
                  - name: cloud-1
                    id: abc
                    addresses: ["203.0.113.5", "203.0.113.5:0", "203.0.113.256:7", ":7700", "[fe80::zz]:1", "a b:1"]
                  - name: edge-1
                    id: \(idText("b"))
                  - name: cloud-1
                    id: \(idText("b"))
                    addresses: ["h:1", "h:1"]
                  - id: \(idText("c"))
                    adresses: []
                """),
            [
                "edge.yaml:6:9: \"abc\" is not a gateway id; write the 52 letters and digits that the peer's dxgateway"
                    + " keygen printed",
                "edge.yaml:7:17: \"203.0.113.5\" has no port; add one, as in 192.0.2.1:7700",
                "edge.yaml:7:32: \"203.0.113.5:0\" has port 0; name the port to connect to",
                "edge.yaml:7:49: \"203.0.113.256:7\" has a wrong IPv4 address; write four numbers from 0 to 255, as in"
                    + " 192.0.2.1:7700",
                "edge.yaml:7:68: \":7700\" names no host; name the host to connect to",
                "edge.yaml:7:77: \"[fe80::zz]:1\" has a wrong IPv6 address; write it as in [2001:db8::1]:7700",
                "edge.yaml:7:93: \"a b:1\" has a wrong host name; use letters, digits, '-' and '.', as in"
                    + " cloud.example:7700",
                "edge.yaml:8:11: \"edge-1\" is this gateway's own name; list only other gateways, each with its own"
                    + " name",
                "edge.yaml:10:11: two peers named \"cloud-1\"; rename one of them",
                "edge.yaml:11:9: the same id as peer \"edge-1\"; give each peer the id that its own dxgateway keygen"
                    + " printed",
                "edge.yaml:12:24: the address \"h:1\" twice; remove one",
                "edge.yaml:13:5: missing key \"name\" in peers[3]; add name: cloud-1",
                "edge.yaml:14:5: unknown key \"adresses\"; did you mean \"addresses\"?",
            ])
    ]

    private static let tunnels: [ConfigurationMistake] = [
        ConfigurationMistake(
            "ends",
            withPeer(
                """
                tunnels:
                  - name: a
                    origins: [{gateway: edge-1}]
                    destinations: [{gateway: clowd-1, target: ":80"}]
                  - name: a
                    origins: []
                    destinations: [{gateway: edge-1}]
                  - name: c
                    origins: [{gateway: edge-1, listen: ":80"}, {gateway: edge-1, listen: "127.0.0.1:80"}]
                    destinations: [{gateway: edge-1, target: "h:0"}]
                  - name: d
                    origins: [{gateway: cloud-1, target: "h:1"}]
                    destinations: [{gateway: cloud-1, target: "h:1"}]
                """),
            [
                "edge.yaml:8:15: missing key \"listen\" at this gateway's own end; add listen: \"127.0.0.1:8080\","
                    + " where applications connect",
                "edge.yaml:9:30: unknown gateway \"clowd-1\"; use this gateway's name or a peer's: cloud-1, edge-1",
                "edge.yaml:9:47: \":80\" names no host; name the host to connect to",
                "edge.yaml:10:11: two tunnels named \"a\"; rename one of them",
                "edge.yaml:11:14: tunnel \"a\" has no origins; list at least one gateway",
                "edge.yaml:12:20: missing key \"target\" at this gateway's own end; add target: \"127.0.0.1:80\","
                    + " where connections go",
                "edge.yaml:14:59: gateway \"edge-1\" twice among the origins; remove one",
                "edge.yaml:14:75: \"127.0.0.1:80\" of gateway \"edge-1\" is given twice; use another port",
                "edge.yaml:15:30: gateway \"edge-1\" is origin and destination of tunnel \"c\"; connect to the target"
                    + " directly, or name another gateway",
                "edge.yaml:15:46: \"h:0\" has port 0; name the port to connect to",
                "edge.yaml:16:5: tunnel \"d\" has no end at this gateway, \"edge-1\"; remove it here, or list this"
                    + " gateway as origin or destination",
                "edge.yaml:17:34: unknown key \"target\"; use gateway, listen or mode",
                "edge.yaml:18:30: gateway \"cloud-1\" is origin and destination of tunnel \"d\"; connect to the target"
                    + " directly, or name another gateway",
            ]),
        ConfigurationMistake(
            "congestion control",
            after("peers:\n  - {name: cloud-1, id: \(idText("b")), congestion: vegas}\n"),
            [
                "edge.yaml:5:\(39 + idText("b").count): \"peers[0].congestion\" is \"vegas\"; write automatic or cubic or bbr"
            ]),
        ConfigurationMistake(
            "options",
            withPeer(
                """
                tunnels:
                  - name: a
                    class: fast
                    share: 257
                    max_connections: many
                    origins: [{gateway: edge-1, listen: "127.0.0.1:80"}]
                    destinations: [{gateway: cloud-1}]
                  - name: b
                    share: "4"
                    origins: [{gateway: edge-1, listen: "127.0.0.1:80"}]
                    destinations: [cloud-1]
                """),
            [
                "edge.yaml:8:12: \"tunnels[0].class\" is \"fast\"; write interactive or bulk",
                "edge.yaml:9:12: 257 is outside 1 to 256; write a number in that range",
                "edge.yaml:10:22: \"tunnels[0].max_connections\" is \"many\"; write a number",
                "edge.yaml:14:12: \"tunnels[1].share\" is text; write a number without quotes",
                "edge.yaml:15:41: \"127.0.0.1:80\" of gateway \"edge-1\" is already taken by tunnel \"a\"; use another"
                    + " port",
                "edge.yaml:16:20: \"tunnels[1].destinations[0]\" must have keys, not text; write gateway, target, order or weight",
            ]),
    ]

    private static let rates: [ConfigurationMistake] = [
        ("fast", "\"tunnels[0].rate\" is \"fast\"; write bits per second such as 500K, 20M or 1G"),
        ("-20M", "\"tunnels[0].rate\" is \"-20M\"; write bits per second such as 500K, 20M or 1G"),
        ("20T", "\"tunnels[0].rate\" is \"20T\"; write bits per second such as 500K, 20M or 1G"),
        ("20 M", "\"tunnels[0].rate\" is \"20 M\"; write bits per second such as 500K, 20M or 1G"),
        ("1.5M", "\"tunnels[0].rate\" is \"1.5M\"; write bits per second such as 500K, 20M or 1G"),
        ("99999999999G", "\"tunnels[0].rate\" is \"99999999999G\"; write bits per second such as 500K, 20M or 1G"),
        ("", "\"tunnels[0].rate\" has no value; write bits per second such as 500K, 20M or 1G"),
        (
            "0",
            "0 bits per second is outside 8K to 100G; write a rate in that range, such as 20M, or remove the key for no limit"
        ),
        (
            "7999",
            "7999 bits per second is outside 8K to 100G; write a rate in that range, such as 20M, or remove the key for no limit"
        ),
        (
            "101G",
            "101000000000 bits per second is outside 8K to 100G; write a rate in that range, such as 20M, or remove the key for no limit"
        ),
    ].map { value, problem in
        ConfigurationMistake(
            "rate \(value)",
            withPeer(
                """
                tunnels:
                  - name: a
                    rate: \(value)
                    origins: [{gateway: edge-1, listen: "127.0.0.1:80"}]
                    destinations: [{gateway: cloud-1}]
                """),
            ["edge.yaml:8:\(value.isEmpty ? 10 : 11): \(problem)"])
    }

    private static let options: [ConfigurationMistake] =
        [
            ("idle_timeout: 10", "\"tunnels[0].idle_timeout\" is \"10\"; write a time such as 30s, 10m or 12h"),
            (
                "idle_timeout: 500ms",
                "0.5 seconds is outside 1 second to 168 hours; write a time in that range, as 10m, or remove the key"
            ),
            ("proxy_protocol: v1", "\"tunnels[0].proxy_protocol\" is \"v1\"; write true or false"),
            ("compression: gzip", "\"tunnels[0].compression\" is \"gzip\"; write deflate"),
            ("compression:", "\"tunnels[0].compression\" has no value; write deflate"),
        ].map { line, problem in
            let column = line.hasSuffix(":") ? line.count + 5 : line.split(separator: ":")[0].count + 7
            return ConfigurationMistake(
                line,
                withPeer(
                    """
                    tunnels:
                      - name: a
                        \(line)
                        origins: [{gateway: edge-1, listen: "127.0.0.1:80"}]
                        destinations: [{gateway: cloud-1}]
                    """),
                ["edge.yaml:8:\(column): \(problem)"])
        } + ends

    private static let ends: [ConfigurationMistake] =
        [
            (
                "listen: \"unix:app.sock\"",
                "\"unix:app.sock\" has a path that does not begin with /; write all of it, as in unix:/run/app.sock"
            ),
            (
                "listen: \"unix:/a/../b\"",
                "\"unix:/a/../b\" has a path with an empty part, . or ..; write it straight, as in unix:/run/app.sock"
            ),
            (
                "listen: \":9-8\"",
                "\":9-8\" has a range of ports that is none; write the first port, from 1 on, and the last, as in 127.0.0.1:8000-8009"
            ),
            ("listen: \":1-1025\"", "\":1-1025\" has 1025 ports; take at most 1024, or make several tunnels"),
        ].map { listen, problem in
            ConfigurationMistake(
                listen,
                withPeer(
                    """
                    tunnels:
                      - name: a
                        origins: [{gateway: edge-1, \(listen)}]
                        destinations: [{gateway: cloud-1}]
                    """),
                ["edge.yaml:8:41: \(problem)"])
        } + [
            ConfigurationMistake(
                "a mode and an address range",
                withPeer(
                    """
                    tunnels:
                      - name: a
                        allow: ["10.0.0.0/8", "10.0.0.1/8"]
                        origins: [{gateway: edge-1, listen: "unix:/run/a", mode: 0888}]
                        destinations: [{gateway: cloud-1}]
                      - name: b
                        origins: [{gateway: edge-1, listen: "127.0.0.1:80", mode: 0600}]
                        destinations: [{gateway: cloud-1}]
                    """),
                [
                    "edge.yaml:8:27: \"tunnels[0].allow[1]\" is \"10.0.0.1/8\"; write an address or a range, such as \"10.0.0.0/8\"",
                    "edge.yaml:9:62: \"tunnels[0].origins[0].mode\" is \"0888\"; write the permissions of a file in octal, such as 0660",
                    "edge.yaml:12:63: a mode without a unix socket; remove it, or listen at one, as unix:/run/app.sock",
                ])
        ]

    /// A mistake must not be told again as its own consequences.
    private static let several: [ConfigurationMistake] = [
        ConfigurationMistake(
            "a broken own name",
            """
            name: [edge-1]
            identity: edge-1.key
            veil: group.key
            tunnels:
              - name: a
                origins: [{gateway: edge-1, listen: "127.0.0.1:80"}]
                destinations: [{gateway: cloud-1}]
            """,
            ["edge.yaml:1:7: \"name\" must be text, not a list; write one value"]),
        ConfigurationMistake(
            "a broken peer",
            after(
                """
                peers: [cloud-1]
                tunnels:
                  - name: a
                    origins: [{gateway: edge-1, listen: "127.0.0.1:80"}]
                    destinations: [{gateway: cloud-1}]
                """),
            ["edge.yaml:4:9: \"peers[0]\" must have keys, not text; write name, id, addresses or congestion"]),
    ]
}
