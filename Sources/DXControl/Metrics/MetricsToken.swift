import DXSecure
import DXSocket
public import DXTunnel
import HTTPTypes
import Hummingbird
import NIOCore

/// The secret that whoever asks has to know: one line of 16 to 256 visible ASCII characters in a file of mode 0600.
final class MetricsToken: Sendable {
    private let secret: SecretBytes

    /// 16 characters of base64 are 96 bits, which nobody guesses at one a second.
    static let byteCounts = 16...256

    /// The token in the file at `path`. Throws `MetricsTokenError`.
    init(file path: String) throws(MetricsTokenError) {
        var bytes: [UInt8]
        do { bytes = try PrivateFile.read(path, atMost: 1_024) } catch {
            let words = error.reason == .missing ? "\(path): no such file; \(Self.making(path))" : "\(error)"
            throw MetricsTokenError(reason: words)
        }
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { bytes.removeLast() }
        let isWhole = Self.byteCounts.contains(bytes.count) && bytes.allSatisfy { (0x21...0x7e).contains($0) }
        secret = SecretBytes(moving: &bytes)
        guard isWhole else {
            throw MetricsTokenError(
                reason: "\(path): it must hold one line of 16 to 256 letters, digits and signs; \(Self.making(path))")
        }
    }

    private static func making(_ path: String) -> String {
        "make one with (umask 077; openssl rand -base64 24 >\(path))"
    }

    /// Whether `Authorization` has it (RFC 6750 §2.1). How long that takes does not tell how much of it is right.
    func allows(_ authorization: String?) -> Bool {
        guard let authorization, authorization.utf8.count > 7, authorization.prefix(7).lowercased() == "bearer " else {
            return false
        }
        let said = Array(authorization.utf8.dropFirst(7))
        return unsafe secret.isEqual(to: said.span.bytes)
    }
}

/// Why there is no token.
public struct MetricsTokenError: Error, Sendable, CustomStringConvertible {
    /// Which file, what is wrong, what to do.
    let reason: String

    /// One line.
    public var description: String { "the token for metrics cannot be used: \(reason)" }
}

extension MetricsAccess {
    /// Throws why the token of its file cannot be read, where it names one.
    public func checkToken() throws(MetricsTokenError) {
        if let tokenFile { _ = try MetricsToken(file: tokenFile) }
    }
}

/// Has whoever asks say the token, and those who guess wait.
struct MetricsTokenGuard: RouterMiddleware {
    typealias Context = MetricsContext

    let token: MetricsToken
    let wrongTokens = WrongTokens()

    func handle(
        _ request: Request, context: MetricsContext, next: (Request, MetricsContext) async throws -> Response
    ) async throws -> Response {
        let authorization = request.headers[.authorization]
        // To ask without one is no guess.
        guard authorization != nil else { throw refusal("say the token: Authorization: Bearer TOKEN") }
        let network = WrongTokens.Network(context.remoteAddress?.ipAddress ?? "")
        guard wrongTokens.mayTry(network, now: MonotonicClock.now()) else {
            throw HTTPError(
                .tooManyRequests, headers: [.retryAfter: "1"],
                message: "too many wrong tokens from there: wait a second")
        }
        guard token.allows(authorization) else {
            wrongTokens.note(network, now: MonotonicClock.now())
            throw refusal("that is not the token")
        }
        return try await next(request, context)
    }

    private func refusal(_ message: String) -> HTTPError {
        HTTPError(.unauthorized, headers: [.wwwAuthenticate: "Bearer realm=\"dx\""], message: message)
    }
}
