import DXTunnel
import Foundation
import Testing

@testable import DXControl

/// Says nothing: only its routes are looked at.
private struct SilentTarget: ControlTarget {
    func status() throws -> GatewayStatus { throw CancellationError() }
    func ping(peer: String) throws -> Duration { throw CancellationError() }
}

@Suite struct OpenAPITests {
    private static func file(_ path: String) throws -> Data {
        try Data(contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../" + path))
    }

    private static func document(_ json: Data) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    }

    /// The operations of a document as `GET /v1/tunnels/{name}`, in order.
    private func operations(_ document: [String: Any]) throws -> [String] {
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        return paths.flatMap { path, item in item.keys.map { "\($0.uppercased()) \(path)" } }.sorted()
    }

    @Test func listsTheRoutesOfAGateway() throws {
        let routes = ControlAPIDocument.routes(of: ControlRoutes(target: SilentTarget()).makeRouter())
        #expect(routes.count > 30)
        #expect(try operations(Self.document(Data(ControlAPIDocument.gateway.text.utf8))) == routes)
    }

    @Test func listsTheRoutesOfAMatchmaker() throws {
        let routes = ControlAPIDocument.routes(of: MatchControlRoutes { throw CancellationError() }.makeRouter())
        #expect(routes.count == 3)
        #expect(try operations(Self.document(Data(ControlAPIDocument.matchmaker.text.utf8))) == routes)
    }

    /// What is served is what is in `docs`; after a change there `scripts/openapi` has to be run.
    @Test(arguments: [("openapi.json", ControlAPIDocument.gateway), ("openapi-matchd.json", .matchmaker)])
    func servesWhatIsInTheDocuments(_ name: String, _ document: ControlAPIDocument) throws {
        let (own, served) = (try Self.document(Self.file("docs/" + name)), try Self.document(Data(document.text.utf8)))
        #expect(NSDictionary(dictionary: own) == NSDictionary(dictionary: served))
        #expect((own["info"] as? [String: Any])?["version"] as? String == DXVersion.current)
        #expect(own["openapi"] as? String == "3.1.0")
    }

    /// Every operation has a name of its own and its errors, every parameter of a path is declared, and every reference leads somewhere.
    @Test(arguments: [ControlAPIDocument.gateway, .matchmaker])
    func holdsTogether(_ document: ControlAPIDocument) throws {
        let whole = try Self.document(Data(document.text.utf8))
        let schemas = try #require((whole["components"] as? [String: [String: Any]])?["schemas"])
        var names: Set<String> = []
        for (path, item) in try #require(whole["paths"] as? [String: [String: [String: Any]]]) {
            for (method, operation) in item {
                let name = try #require(operation["operationId"] as? String)
                #expect(names.insert(name).inserted, "\(name) is there twice")
                let answers = try #require(operation["responses"] as? [String: Any])
                #expect(Set(answers.keys) == ["200", "default"], "\(method) \(path)")
                let declared = ((operation["parameters"] as? [[String: Any]]) ?? []).filter {
                    $0["in"] as? String == "path"
                }
                let needed = path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
                    String($0.dropFirst().dropLast())
                }
                #expect(declared.compactMap { $0["name"] as? String } == needed, "\(method) \(path)")
            }
        }
        let references = document.text.split(separator: "\"#/components/schemas/").dropFirst().compactMap {
            $0.split(separator: "\"").first.map(String.init)
        }
        #expect(Set(references).subtracting(schemas.keys).sorted() == [])
        #expect(Set(schemas.keys).subtracting(references).sorted() == [], "schemas that nothing leads to")
    }
}
