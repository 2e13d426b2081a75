public import DXTunnel
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import ServiceLifecycle

/// What the control API asks of a gateway about what happens. `Gateway` fits it.
public protocol EventControl: Sendable {
    /// What is kept after the event of this id (nil: all), then what happens.
    func events(after id: String?) throws(GatewayError) -> EventSubscription
    /// What is kept after the event of this id (nil: all).
    func recentEvents(after id: String?) -> [GatewayEventRecord]
}

extension Gateway: EventControl {}

/// `GET /v1/events`: server-sent events (HTML Living Standard §9.2), each with `id`, `event` and `data`, a `GatewayEventRecord` as JSON.
///
/// First come those that are kept, after the one that `Last-Event-ID` names; then those that happen, until the client or the gateway ends. With
/// `?follow=false` it ends after the first. A comment comes at least every `heartbeat`. A listener is gone, and its place is free, when its
/// connection is, or when it takes nothing for `writePatience`.
struct EventRoutes: Sendable {
    let events: (any EventControl)?

    /// How often something comes at least.
    let heartbeat: Duration

    /// Shorter than the 30 s after which proxies and our own server's idle connections are usually ended.
    static let usualHeartbeat = Duration.seconds(15)
    /// Two of them.
    static let writePatience = TimeAmount.seconds(30)
    /// What server-sent events are.
    static let contentType = "text/event-stream"

    init(events: (any EventControl)?, heartbeat: Duration = usualHeartbeat) {
        self.events = events
        self.heartbeat = heartbeat
    }

    func add(to router: Router<BasicRequestContext>) {
        router.get("/v1/events") { [self] request, _ in
            guard let events else {
                throw ControlError(code: .notFound, message: "there is no gateway here", hint: "ask a gateway")
            }
            let last = try Self.lastID(request)
            let follow = request.uri.queryParameters["follow"].map { String($0) } ?? "true"
            guard ["true", "false"].contains(follow) else {
                throw ControlError(
                    code: .badRequest, message: "follow is true or false", hint: "ask /v1/events?follow=false")
            }
            if follow == "false" { return try Self.response(text: events.recentEvents(after: last)) }
            let subscription: EventSubscription
            do { subscription = try events.events(after: last) } catch {
                throw GatewayControlTarget.controlError(error)
            }
            return Response(status: .ok, headers: Self.headers, body: body(subscription, request.body))
        }
    }

    /// By the field that clients send when they come back, or in the query for those that cannot.
    private static func lastID(_ request: Request) throws(ControlError) -> String? {
        let field = HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }
        guard let text = field ?? request.uri.queryParameters["last_event_id"].map({ String($0) }) else { return nil }
        // Eight hexadecimal digits, a sign, twenty digits.
        guard text.utf8.count <= 32 else {
            throw ControlError(
                code: .badRequest, message: "Last-Event-ID cannot be read", hint: "send the id of the last event")
        }
        return text
    }

    private static var headers: HTTPFields {
        [.contentType: "\(contentType); charset=utf-8", .cacheControl: "no-store"]
    }

    private static func response(text records: [GatewayEventRecord]) throws -> Response {
        let text = try records.map(frame).joined()
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private func body(_ subscription: EventSubscription, _ request: RequestBody) -> ResponseBody {
        ResponseBody { writer in
            try await request.consumeWithCancellationOnInboundClose { _ in
                try await write(subscription, to: &writer)
            }
            try await writer.finish(nil)
        }
    }

    private func write(_ subscription: EventSubscription, to writer: inout any ResponseBodyWriter) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [heartbeat] in
                while true {
                    try await Task.sleep(for: heartbeat)
                    subscription.tick()
                }
            }
            defer {
                subscription.end()
                tasks.cancelAll()
            }
            // The head goes out now, not with the first event.
            try await writer.write(ByteBuffer(string: ": \n\n"))
            // Else a client that listens would hold up the program's end.
            for await element in subscription.cancelOnGracefulShutdown() {
                switch element {
                case .event(let record): try await writer.write(ByteBuffer(string: try Self.frame(record)))
                case .idle: try await writer.write(ByteBuffer(string: ": \n\n"))
                }
            }
        }
    }

    /// One event. JSON has no newline in it, so `data` is one line.
    static func frame(_ record: GatewayEventRecord) throws -> String {
        let data = String(decoding: try ControlJSON.encode(record), as: UTF8.self)
        let id = record.id.map { "id: \($0)\n" } ?? ""
        return "\(id)event: \(record.event.rawValue)\ndata: \(data)\n\n"
    }
}
