import HTTPTypes
import Hummingbird

/// Keeps pages of other sites from having a browser ask for figures. They could not read the answer, as nothing allows them to; they are not
/// even made for them.
///
/// Browsers say where a request comes from in `Sec-Fetch-Site` (W3C Fetch Metadata) and, of older ones some, in `Origin` (RFC 6454 §7). Other
/// programs say neither.
struct MetricsOrigin: RouterMiddleware {
    typealias Context = MetricsContext

    func handle(
        _ request: Request, context: MetricsContext, next: (Request, MetricsContext) async throws -> Response
    ) async throws -> Response {
        let site = HTTPField.Name("Sec-Fetch-Site").flatMap { request.headers[$0] }
        guard Self.allows(site: site, origin: request.headers[.origin], authority: request.head.authority) else {
            throw HTTPError(.forbidden, message: "pages of other sites get nothing here")
        }
        return try await next(request, context)
    }

    /// Whether a request with these fields is of the dashboard itself, of a person's address line, or of another program than a browser.
    static func allows(site: String?, origin: String?, authority: String?) -> Bool {
        guard site == nil || site == "same-origin" || site == "none" else { return false }
        guard let origin else { return true }
        // `https` when something in front of this speaks it.
        guard let authority, let colon = origin.firstIndex(of: ":"), ["http", "https"].contains(origin[..<colon]) else {
            return false
        }
        return origin[colon...].lowercased() == "://\(authority.lowercased())"
    }
}

extension HTTPField.Name {
    /// RFC 6454 §7.
    fileprivate static var origin: Self { Self("Origin")! }
}
