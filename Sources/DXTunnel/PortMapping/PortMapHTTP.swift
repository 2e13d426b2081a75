import DXMatch
import DXSocket
import DXWire
import NIOCore
import NIOHTTP1
import NIOPosix

/// Makes the HTTP requests of a `PortMapper`, one at a time, each on a connection of its own. Bound to its event loop.
///
/// **Limits**: an answer of `PortMapperRequest.maximumAnswer` bytes; `patience` for all of it. What exceeds them has failed.
final class PortMapHTTP {
    private let eventLoop: any EventLoop
    private let local: Endpoint
    private let patience: TimeAmount
    /// The connection of the latest request.
    private var channel: (any Channel)?
    private var latest: UInt64 = 0
    private var isClosed = false

    /// Connections leave from `local`: routers map ports to whoever asks.
    ///
    /// - Parameter patience: for all of an answer; by default longer than the machine itself waits, only so that no connection stays
    ///   behind.
    init(on eventLoop: any EventLoop, local: Endpoint, patience: TimeAmount = .seconds(5)) {
        self.patience = patience
        self.eventLoop = eventLoop
        self.local = local
    }

    /// Makes a request instead of any that was made before; `completion` is called on the event loop, once, unless another request
    /// is made or this is closed before.
    func make(_ request: PortMapperRequest, completion: @escaping (PortMapperAnswer) -> Void) {
        abandon()
        latest = request.number
        guard let server = SocketAddress(request.server), let source = SocketAddress(local) else {
            return completion(.failed)
        }
        let handler = PortMapExchange(request) { [weak self] answer in
            guard let self, !self.isClosed, self.latest == request.number else { return }
            completion(answer)
        }
        let bound = NIOLoopBound((self, handler), eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(patience)
            .bind(to: source)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTPRequestEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)))
                    try pipeline.addHandler(bound.value.1)
                }
            }
            .connect(to: server)
            .whenComplete { result in
                let (owner, handler) = bound.value
                switch result {
                case .failure: handler.finish(.failed)
                case .success(let channel): owner.connected(channel, request.number)
                }
            }
    }

    /// Gives up the request that is on its way; its completion is not called.
    func abandon() {
        channel?.close(promise: nil)
        channel = nil
        latest = 0
    }

    /// Gives up for good.
    func close() {
        isClosed = true
        abandon()
    }

    private func connected(_ channel: any Channel, _ number: UInt64) {
        guard !isClosed, latest == number else { return channel.close(promise: nil) }
        self.channel = channel
        let end = channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in end.cancel() }
    }
}

@available(*, unavailable)
extension PortMapHTTP: Sendable {}

/// One request and its answer. Bound to its event loop.
private final class PortMapExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: PortMapperRequest
    private var completion: ((PortMapperAnswer) -> Void)?
    private var status: UInt16 = 0
    private var body: [UInt8] = []

    init(_ request: PortMapperRequest, completion: @escaping (PortMapperAnswer) -> Void) {
        self.request = request
        self.completion = completion
    }

    /// Tells the outcome, the first time.
    func finish(_ answer: PortMapperAnswer) {
        let completion = self.completion
        self.completion = nil
        completion?(answer)
    }

    func channelActive(context: ChannelHandlerContext) {
        var headers = HTTPHeaders([("Host", request.server.description), ("Connection", "close")])
        for header in request.headers { headers.add(name: header.name, value: header.value) }
        if !request.body.isEmpty { headers.add(name: "Content-Length", value: String(request.body.count)) }
        let head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: request.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !request.body.isEmpty {
            let bytes = context.channel.allocator.buffer(bytes: request.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = UInt16(clamping: head.status.code)
        case .body(let part):
            guard body.count + part.readableBytes <= PortMapperRequest.maximumAnswer else {
                finish(.failed)
                return context.close(promise: nil)
            }
            body += part.readableBytesView
        case .end:
            finish(.answered(status: status, body: body))
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failed)
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension PortMapExchange: Sendable {}

extension SocketAddress {
    /// The address in SwiftNIO's box; nil for one that cannot be written as text, which there is none of.
    fileprivate init?(_ endpoint: Endpoint) {
        guard let made = try? SocketAddress(ipAddress: endpoint.addressText, port: Int(endpoint.port)) else {
            return nil
        }
        self = made
    }
}
