import DXTestFiles
import DXTunnel
import Foundation
import Logging
import Testing

@testable import DXControl

/// Nothing happens to it.
private struct NoEvents: EventControl {
    func events(after id: String?) throws(GatewayError) -> EventSubscription { throw .notRunning }
    func recentEvents(after id: String?) -> [GatewayEventRecord] { [] }
}

/// Asks a server that serves a sample of a gateway at a port of this host.
private struct Client: Sendable {
    let port: UInt16

    /// The status of the answer, its head and its body; status 0 and the reason when there is none. `Host` is by the address where it is
    /// not among the fields.
    func get(_ path: String, _ fields: [String] = []) async -> (status: Int, head: String, body: String) {
        let host = fields.contains { $0.hasPrefix("Host:") } ? [] : ["Host: 127.0.0.1:\(port)"]
        let request = (["GET \(path) HTTP/1.1"] + host + fields + ["Connection: close", "", ""]).joined(
            separator: "\r\n")
        let bytes: [UInt8]
        do { bytes = try await UnixSocketExchange.send(Array(request.utf8), toPort: port) } catch {
            return (0, "", "\(error)")
        }
        let answer = String(decoding: bytes, as: UTF8.self)
        guard let end = answer.range(of: "\r\n\r\n"), let status = Int(answer.dropFirst(9).prefix(3)) else {
            return (0, "", answer)
        }
        return (status, answer[..<end.lowerBound].lowercased(), String(answer[end.upperBound...]))
    }
}

/// Runs a server while `body` asks it.
private func withServer(
    at address: String, _ access: MetricsAccess = MetricsAccess(), _ body: @Sendable (Client) async throws -> Void
) async throws {
    let (listening, continuation) = AsyncStream.makeStream(of: UInt16.self)
    let server = try MetricsServer(
        address: HostAddress(address), access: access, snapshot: SharedSnapshot { sampleStatus }, events: NoEvents(),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onListening: { continuation.yield($0) })
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { continuation.finish() }
            try await server.run()
        }
        for await port in listening {
            try await body(Client(port: port))
            group.cancelAll()
        }
        try await group.waitForAll()
    }
}

@Suite struct MetricsServerTests {
    private let directory = TemporaryDirectory()

    private static let token = "correct-horse-battery"
    private static let bearer = "Authorization: Bearer \(token)"

    private func access(_ hosts: [String] = []) throws -> MetricsAccess {
        let path = directory.file("token")
        try Data("\(Self.token)\n".utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        return MetricsAccess(tokenFile: path, hosts: hosts)
    }

    @Test func onLoopbackThePageAndItsFiguresAreThere() async throws {
        try await withServer(at: "127.0.0.1:0") { client in
            for file in DashboardFiles.all {
                let answer = await client.get(file.path)
                #expect(answer.status == 200 && Array(answer.body.utf8) == file.bytes)
                #expect(answer.head.contains("content-type: \(file.type); charset=utf-8"))
            }
            let figures = await client.get("/dashboard.json")
            #expect(figures.status == 200 && figures.head.contains("content-type: application/json"))
            let json = try JSONSerialization.jsonObject(with: Data(figures.body.utf8)) as? [String: Any]
            #expect(json?["schema"] as? Int == 1 && json?["name"] as? String == "edge-1")
            #expect(await client.get("/metrics").body.hasSuffix("\n# EOF\n"))
            #expect(await client.get("/other").status == 404)
        }
    }

    /// Errors too, and what there is not.
    @Test func everyAnswerTellsBrowsersWhatMayBeDoneWithIt() async throws {
        try await withServer(at: "127.0.0.1:0") { client in
            for (path, fields) in [
                ("/", []), ("/dashboard.json", []), ("/metrics", []), ("/none", []), ("/", ["Host: evil.example"]),
                ("/dashboard.json", ["Sec-Fetch-Site: cross-site"]),
            ] {
                let head = await client.get(path, fields).head
                for (name, value) in MetricsHeaders.fields {
                    #expect(head.contains("\(name): \(value)".lowercased()), "\(path) \(fields): \(name)")
                }
                #expect(!head.contains("access-control-allow"), "\(path)")
            }
        }
    }

    @Test(arguments: ["/", "/dashboard.json", "/metrics", "/dashboard/app.js"])
    func anotherNameIsRefused(_ path: String) async throws {
        try await withServer(at: "127.0.0.1:0", MetricsAccess(hosts: ["edge-1.example"])) { client in
            #expect(await client.get(path, ["Host: evil.example:\(client.port)"]).status == 421)
            #expect(await client.get(path, ["Host: localhost:\(client.port)"]).status == 200)
            #expect(await client.get(path, ["Host: edge-1.example"]).status == 200)
        }
    }

    @Test(arguments: ["/dashboard.json", "/metrics"]) func pagesOfOtherSitesAreRefused(_ path: String) async throws {
        try await withServer(at: "127.0.0.1:0") { client in
            #expect(await client.get(path, ["Sec-Fetch-Site: cross-site"]).status == 403)
            #expect(await client.get(path, ["Sec-Fetch-Site: same-site"]).status == 403)
            #expect(await client.get(path, ["Origin: http://evil.example"]).status == 403)
            #expect(await client.get(path, ["Origin: null"]).status == 403)
            #expect(
                await client.get(path, ["Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1:\(client.port)"])
                    .status
                    == 200)
            // A link in a wiki leads to the page, which asks for itself.
            #expect(await client.get("/", ["Sec-Fetch-Site: cross-site"]).status == 200)
        }
    }

    @Test func beyondTheLoopbackTheTokenIsAskedFor() async throws {
        try await withServer(at: "0.0.0.0:0", access()) { client in
            // It has to ask for the token, and says nothing of the gateway.
            #expect(await client.get("/").status == 200)
            for path in ["/dashboard.json", "/metrics"] {
                let refused = await client.get(path)
                #expect(refused.status == 401 && refused.head.contains("www-authenticate: bearer"))
                #expect(!refused.body.contains("edge-1") && !refused.body.contains(Self.token))
                #expect(await client.get(path, ["Authorization: Bearer wrong-horse-battery"]).status == 401)
                #expect(await client.get(path, [Self.bearer]).status == 200)
                #expect(await client.get(path, [Self.bearer, "Sec-Fetch-Site: cross-site"]).status == 403)
                #expect(await client.get(path, [Self.bearer, "Host: edge-1.example"]).status == 200)
            }
        }
    }

    /// It can be had on the loopback, too, where other users of the host are not to read it.
    @Test func aTokenCountsOnLoopback() async throws {
        try await withServer(at: "127.0.0.1:0", access()) { client in
            #expect(await client.get("/dashboard.json").status == 401)
            #expect(await client.get("/dashboard.json", [Self.bearer]).status == 200)
        }
    }

    @Test func whoGuessesHasToWait() async throws {
        try await withServer(at: "0.0.0.0:0", access()) { client in
            var statuses: [Int] = []
            // One a second comes back, on any machine fewer than these.
            for _ in 0..<200 where statuses.last != 429 {
                statuses.append(await client.get("/dashboard.json", ["Authorization: Bearer 0123456789abcdef"]).status)
            }
            #expect(statuses.last == 429 && statuses.count > 10)
            #expect(statuses.dropLast().allSatisfy { $0 == 401 })
        }
    }

    /// As it was before there were tokens: figures for whoever reaches them, and no dashboard.
    @Test func withoutATokenOthersGetFiguresAlone() async throws {
        try await withServer(at: "0.0.0.0:0") { client in
            #expect(await client.get("/metrics").status == 200)
            for path in ["/", "/dashboard.json"] {
                let refused = await client.get(path)
                #expect(
                    refused.status == 403 && refused.body.contains("token: FILE") && !refused.body.contains("edge-1"))
            }
            #expect(await client.get("/dashboard/app.js").status == 404)
        }
    }

    @Test func withoutItsTokenNothingIsServed() async throws {
        await #expect(throws: MetricsTokenError.self) {
            try await withServer(at: "0.0.0.0:0", MetricsAccess(tokenFile: directory.file("none"))) { _ in }
        }
    }

    /// A kernel may be without IPv6.
    @Test func everyAddressIsThatOfTheFamilyThereIs() {
        #expect("\(MetricsServer.everyAddress(port: 7, hasIPv6: true))" == "[::]:7")
        #expect("\(MetricsServer.everyAddress(port: 7, hasIPv6: false))" == "0.0.0.0:7")
    }

    @Test func everyAddressIsServed() async throws {
        try await withServer(at: ":0", access()) { client in
            #expect(await client.get("/metrics", [Self.bearer]).status == 200)
        }
    }
}
