import NIOCore
import NIOHTTP1

/// One `GET` of a health check and the status of its answer, of which nothing else is read. Bound to its event loop.
final class HTTPCheckHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let path: String
    private let host: String
    private let expect: Int?
    private var ended: ((String?) -> Void)?

    /// `ended` is called once, with why the check failed, or nil.
    init(path: String, host: String, expect: Int?, ended: @escaping (String?) -> Void) {
        self.path = path
        self.host = host
        self.expect = expect
        self.ended = ended
    }

    private func end(_ failure: String?, _ context: ChannelHandlerContext) {
        let ended = self.ended
        self.ended = nil
        ended?(failure)
        context.close(promise: nil)
    }

    func channelActive(context: ChannelHandlerContext) {
        let headers = HTTPHeaders([
            ("Host", host), ("User-Agent", "dxgateway/\(DXVersion.current)"), ("Connection", "close"),
        ])
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let code = Int(head.status.code)
        // 1xx is no answer yet (RFC 9110 §15.2).
        guard code >= 200 else { return }
        let isGood = expect.map { $0 == code } ?? (200..<400).contains(code)
        end(isGood ? nil : "HTTP status \(code)", context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end("the target closed without an answer", context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isHTTP = error is HTTPParserError
        end(isHTTP ? "the answer is not HTTP" : "\(TargetConnection.words(for: error))", context)
    }
}

@available(*, unavailable)
extension HTTPCheckHandler: Sendable {}
