import Glibc
import HTTPTypes
import Hummingbird

/// Lets only those read the page who mean this host: a web page whose name somebody had lead to the loopback (DNS rebinding) would have a
/// browser on this host read it for that somebody.
///
/// Such a request names that name in `Host` (RFC 9110 §7.2). An address there means who has it; a name means this host when it is the
/// loopback's, or one of those that the file gives it. Beyond the loopback, and without such names, every name does: there a token is asked
/// for, or whoever reaches the address may read the figures without such arts.
struct MetricsHost: RouterMiddleware {
    typealias Context = MetricsContext

    let isOnLoopback: Bool
    /// The names that the file gives it, in small letters.
    var names: [String] = []

    func handle(
        _ request: Request, context: MetricsContext,
        next: (Request, MetricsContext) async throws -> Response
    ) async throws -> Response {
        guard allows(request.head.authority) else {
            throw HTTPError(
                .misdirectedRequest,
                message: "ask by the address, as localhost, or by a name of metrics: {hosts: [NAME]}")
        }
        return try await next(request, context)
    }

    /// Whether a request for this host and port may have the page. One that names none is of HTTP/1.0, which no browser speaks.
    func allows(_ authority: String?) -> Bool {
        guard isOnLoopback || !names.isEmpty, let authority, !authority.isEmpty else { return true }
        if authority.hasPrefix("[") {
            return Self.isAddress(AF_INET6, String(authority.dropFirst().prefix { $0 != "]" }))
        }
        let host = authority.prefix { $0 != ":" }.lowercased()
        // RFC 6761 §6.3.
        return names.contains(host) || host == "localhost" || host.hasSuffix(".localhost")
            || Self.isAddress(AF_INET, host)
    }

    private static func isAddress(_ family: Int32, _ text: String) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16)
        return unsafe inet_pton(family, text, &bytes) == 1
    }
}
