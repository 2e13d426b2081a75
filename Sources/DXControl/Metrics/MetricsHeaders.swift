import HTTPTypes
import Hummingbird

/// Tells browsers what may be done with each answer, errors too: nothing in it is kept, taken for another type, put into another site's
/// page, or led to from there; and the page loads and asks nothing but what is served beside it.
struct MetricsHeaders: RouterMiddleware {
    typealias Context = MetricsContext

    /// Scripts and styles are files beside the page, never in it: what a name smuggles in is not run. Pictures may be part of a file.
    static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none';"
        + " form-action 'none'; frame-ancestors 'none'"

    static let fields: [(String, String)] = [
        ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]

    func handle(
        _ request: Request, context: MetricsContext, next: (Request, MetricsContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do { response = try await next(request, context) } catch let error as any HTTPResponseError {
            response = try error.response(from: request, context: context)
        }
        for (name, value) in Self.fields {
            if let name = HTTPField.Name(name) { response.headers[name] = value }
        }
        return response
    }
}
