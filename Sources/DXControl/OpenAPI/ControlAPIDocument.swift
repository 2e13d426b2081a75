import Hummingbird
import HummingbirdCore
import NIOCore

/// What a control socket serves, as an OpenAPI document (version 3.1): `docs/openapi.json` and `docs/openapi-matchd.json`, which tests compare
/// with the routes that there are and with answers of a running gateway.
enum ControlAPIDocument {
    /// Of `dxgateway`.
    case gateway
    /// Of `dxmatchd`.
    case matchmaker

    /// The document as JSON.
    var text: String {
        switch self {
        case .gateway: OpenAPIText.gateway
        case .matchmaker: OpenAPIText.matchmaker
        }
    }

    /// Serves it at `GET /v1/openapi.json`.
    func add(to router: Router<BasicRequestContext>) {
        let bytes = ByteBuffer(string: text + "\n")
        router.get("/v1/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                body: ResponseBody(byteBuffer: bytes))
        }
    }

    /// The routes of a router, as `GET /v1/tunnels/{name}`, in order.
    static func routes(of router: Router<BasicRequestContext>) -> [String] {
        router.routes.map { route in
            let parts = route.path.description.split(separator: "/").map { part in
                part.hasPrefix(":") ? "{\(part.dropFirst())}" : String(part)
            }
            return "\(route.method.rawValue) /\(parts.joined(separator: "/"))"
        }.sorted()
    }
}
