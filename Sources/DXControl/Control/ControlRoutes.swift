import DXTunnel
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// The endpoints of the control API: JSON in, JSON out, under `/v1/`.
struct ControlRoutes<Target: ControlTarget> {
    let target: Target

    /// No request of the API comes near this size.
    private static var maximumRequestBytes: Int { 65_536 }

    func makeRouter() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: ControlErrorMiddleware())
        router.get("/v1/status") { [target] _, _ in try Self.json(try await target.status()) }
        router.post("/v1/ping") { [self] request, _ in try Self.json(try await ping(request)) }
        router.get("/v1/audit") { [self] request, _ in try await audit(request) }
        ControlAPIDocument.gateway.add(to: router)
        EventRoutes(events: target.events).add(to: router)
        TraceRoutes(traces: target.traces).add(to: router)
        addWays(to: router)
        addLogs(to: router)
        addAvailability(to: router)
        addRehearsals(to: router)
        addGroup(to: router)
        return router
    }

    // MARK: Logging

    private func addLogs(to router: Router<BasicRequestContext>) {
        router.get("/v1/log") { [self] _, _ in try Self.json(LogReply(try logs())) }
        router.post("/v1/log") { [self] request, _ in
            try await read(LogRequest.self, request, example: LogRequest.example).apply(to: try logs())
            return try Self.json(LogReply(try logs()))
        }
    }

    private func logs() throws -> LogLevelSwitch {
        guard let logs = target.logs else {
            throw ControlError(
                code: .notFound, message: "the program logs as it likes", hint: "change it where it was started")
        }
        return logs
    }

    // MARK: Availability

    private func addAvailability(to router: Router<BasicRequestContext>) {
        router.post("/v1/drain") { [self] request, _ in
            let body = try await read(DrainRequest.self, request, example: "{\"drain\": true}")
            return try await availability { DrainReply(openConnections: try await $0.setDraining(body.drain)) }
        }
        router.post("/v1/restart") { [self] request, _ in
            let body = try await read(RestartRequest.self, request, example: "{\"drain_seconds\": 600}")
            try body.check()
            guard let restarts = target.restarts else {
                throw ControlError(
                    code: .notFound, message: "the program is not restarted by this", hint: "restart what started it")
            }
            do {
                return try Self.json(try await restarts.restart(drain: body.drainSeconds.map { .seconds($0) }))
            } catch { throw GatewayControlTarget.controlError(error) }
        }
        router.post("/v1/tunnels/:name/failback") { [self] _, context in
            let name = try context.parameters.require("name")
            return try await availability { target in
                try await target.failBack(name)
                return DoneReply()
            }
        }
    }

    private func availability(
        _ body: (any AvailabilityControl) async throws -> some Encodable
    ) async throws -> Response {
        guard let control = target.availability else {
            throw ControlError(code: .notFound, message: "there is no gateway here", hint: "ask a gateway")
        }
        do { return try Self.json(try await body(control)) } catch { throw GatewayControlTarget.controlError(error) }
    }

    // MARK: Rehearsals

    private func addRehearsals(to router: Router<BasicRequestContext>) {
        router.get("/v1/rehearse") { [self] _, _ in
            try await rehearse { RehearsalReply(rehearsal: $0.rehearsal) }
        }
        router.post("/v1/rehearse") { [self] request, _ in
            let body = try await read(RehearsalRequest.self, request, example: RehearsalRequest.example)
            try body.check()
            return try await rehearse { RehearsalPlanReply(plan: try await body.answer($0)) }
        }
        router.delete("/v1/rehearse") { [self] _, _ in
            try await rehearse { RehearsalStopReply(stopped: try await $0.stopRehearsal()) }
        }
    }

    private func rehearse(_ body: (any RehearsalControl) async throws -> some Encodable) async throws -> Response {
        guard let control = target.rehearsals else {
            throw ControlError(code: .notFound, message: "there is no gateway here", hint: "ask a gateway")
        }
        do { return try Self.json(try await body(control)) } catch { throw GatewayControlTarget.controlError(error) }
    }

    // MARK: Audit records

    private func audit(_ request: Request) async throws -> Response {
        guard let audit = target.audit else {
            throw ControlError(code: .notFound, message: "there is no gateway here", hint: "ask a gateway")
        }
        let query = request.uri.queryParameters
        let since = query["since"].map { String($0) }
        let limit = query["limit"].map { Int($0) } ?? 100
        guard let limit, (1...AuditReply.maximumCount).contains(limit),
            since == nil || since.flatMap(Timestamp.init) != nil
        else {
            throw ControlError(
                code: .badRequest, message: "limit or since cannot be read",
                hint: "ask /v1/audit?limit=100&since=2027-01-31T12:00:00Z")
        }
        let records = try await audit.auditRecords(
            tunnel: query["tunnel"].map { String($0) }, since: since.flatMap(Timestamp.init), limit: limit)
        guard let records else {
            throw ControlError(
                code: .notFound, message: "this gateway keeps no audit records",
                hint: "remove audit: false from its file")
        }
        return try Self.json(AuditReply(records: records))
    }

    // MARK: The network and ways

    private func addWays(to router: Router<BasicRequestContext>) {
        router.get("/v1/netcheck") { [self] _, _ in try await askWays { try await $0.checkNetwork() } }
        router.get("/v1/explain/:peer") { [self] _, context in
            let peer = try context.parameters.require("peer")
            return try await askWays { try await $0.explain(peer) }
        }
    }

    private func askWays(_ body: (any MatchControl) async throws -> some Encodable) async throws -> Response {
        guard let match = target.match else {
            throw ControlError(code: .notFound, message: "there is no gateway here", hint: "ask a gateway")
        }
        do { return try Self.json(try await body(match)) } catch { throw GatewayControlTarget.controlError(error) }
    }

    // MARK: The group

    private func addGroup(to router: Router<BasicRequestContext>) {
        router.get("/v1/invites") { [self] request, _ in
            let admin = Self.admin(request)
            return try await answer { InvitationsReply(invitations: try await $0.invitations(at: admin)) }
        }
        router.post("/v1/invites") { [self] request, _ in
            let body = try await read(InviteRequest.self, request, example: "{\"ttl_s\": 86400}")
            return try await answer { InvitationsReply(invitations: try await $0.invite(body)) }
        }
        router.delete("/v1/invites") { [self] request, _ in
            let admin = Self.admin(request)
            return try await answer { RevokedReply(revoked: try await $0.revokeInvitation(nil, at: admin)) }
        }
        router.delete("/v1/invites/:id") { [self] request, context in
            let id = try context.parameters.require("id")
            let admin = Self.admin(request)
            return try await answer { RevokedReply(revoked: try await $0.revokeInvitation(id, at: admin)) }
        }
        addMembers(to: router)
        addTunnels(to: router)
        addConfiguration(to: router)
    }

    /// Which admin is meant, if another one than the gateway that answers.
    private static func admin(_ request: Request) -> String? { request.uri.queryParameters["at"].map(String.init) }

    private func addConfiguration(to router: Router<BasicRequestContext>) {
        router.get("/v1/config") { [self] _, _ in
            try await answer { ConfigurationReply(configuration: try await $0.groupConfiguration()) }
        }
        router.get("/v1/config/export") { [self] _, _ in
            try await answer {
                ConfigurationReply(
                    configuration: try await $0.groupConfiguration(), records: try await $0.groupRecords())
            }
        }
        router.get("/v1/config/history") { [self] request, _ in
            let limit = request.uri.queryParameters["limit"].flatMap { Int($0) } ?? 100
            return try await answer { HistoryReply(history: try await $0.groupHistory(limit: max(1, limit))) }
        }
        router.post("/v1/config/confirm") { [self] request, _ in
            let body = try await read(ConfirmRequest.self, request, example: "{\"tunnel\": \"web\"}")
            return try await change { try await $0.confirm(body.tunnel) }
        }
        router.post("/v1/config/rollback") { [self] request, _ in
            let body = try await read(RollbackRequest.self, request, example: "{\"revision\": 12}")
            return try await change { try await $0.rollBack(to: body.revision) }
        }
        router.post("/v1/config/checkpoint") { [self] _, _ in try await change { try await $0.makeCheckpoint() } }
        addMatch(to: router)
    }

    private func addMatch(to router: Router<BasicRequestContext>) {
        router.get("/v1/config/match") { [self] _, _ in
            try await answer { MatchReply(match: try await $0.matchConfiguration()) }
        }
        router.patch("/v1/config/match") { [self] request, _ in
            let body = try await read(MatchChange.self, request, example: "{\"add\": [\"match.example:3478#PIN\"]}")
            return try await answer { MatchReply(match: try await $0.changeMatch(body)) }
        }
        router.post("/v1/config/match-key") { [self] _, _ in
            try await answer { MatchReply(match: try await $0.requireMatchKey()) }
        }
    }

    private func addMembers(to router: Router<BasicRequestContext>) {
        router.get("/v1/members") { [self] _, _ in
            try await answer { MembersReply(members: try await $0.members()) }
        }
        router.delete("/v1/members/:name") { [self] _, context in
            let name = try context.parameters.require("name")
            return try await change { try await $0.removeMember(name) }
        }
        router.patch("/v1/members/:name") { [self] request, context in
            let name = try context.parameters.require("name")
            let body = try await read(MemberChange.self, request, example: "{\"labels\": [\"site=north\"]}")
            return try await change { try await $0.changeMember(name, body) }
        }
        router.post("/v1/members/:name/cut") { [self] _, context in
            let name = try context.parameters.require("name")
            return try await change { try await $0.cutMember(name) }
        }
    }

    private func addTunnels(to router: Router<BasicRequestContext>) {
        router.get("/v1/tunnels") { [self] _, _ in
            try await answer { TunnelsReply(tunnels: try await $0.groupTunnels()) }
        }
        router.get("/v1/tunnels/:name") { [self] _, context in
            let name = try context.parameters.require("name")
            let here = try await target.status().tunnels.filter { $0.name == name }
            return try await answer { group in
                guard let tunnel = try await group.groupTunnels().first(where: { $0.definition.name == name }) else {
                    throw ControlError(
                        code: .notFound, message: "there is no tunnel \(name)",
                        hint: "dxgateway tunnel list shows them")
                }
                return TunnelReply(tunnel: tunnel, here: here)
            }
        }
        router.put("/v1/tunnels") { [self] request, _ in
            let example =
                "{\"name\": \"web\", \"origins\": [\"edge-1@127.0.0.1:8080\"],"
                + " \"destinations\": [\"cloud-1@127.0.0.1:80\"]}"
            let body = try await read(TunnelRequest.self, request, example: example)
            return try await change { try await $0.setTunnel(body) }
        }
        router.delete("/v1/tunnels/:name") { [self] _, context in
            let name = try context.parameters.require("name")
            return try await change { try await $0.removeTunnel(name) }
        }
        router.post("/v1/tunnels/:name/connect") { [self] request, context in
            let name = try context.parameters.require("name")
            return try await connect(name, request)
        }
        for (verb, isEnabled) in [("enable", true), ("disable", false)] {
            router.post("/v1/tunnels/:name/\(verb)") { [self] _, context in
                let name = try context.parameters.require("name")
                return try await change { try await $0.setTunnel(name, isEnabled: isEnabled) }
            }
        }
    }

    /// A connection through a tunnel: what the request's body brings goes in, what the answer's body brings comes out. Each
    /// direction ends by itself, as TCP's do.
    private func connect(_ name: String, _ request: Request) async throws -> Response {
        guard let group = target.group else {
            throw ControlError(code: .noGroup, message: "there is no group here", hint: "ask a gateway")
        }
        let destination = request.uri.queryParameters["to"].map(String.init)
        let stream: TunnelStream
        do { stream = try await group.dial(name, to: destination) } catch {
            throw GatewayControlTarget.controlError(error)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: ResponseBody { writer in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask {
                        do {
                            for try await part in request.body { try await stream.write(part) }
                            stream.finish()
                        } catch {
                            stream.reset()
                            throw error
                        }
                    }
                    while let part = try await stream.read() { try await writer.write(part) }
                    // The client may still be sending, to a target that has said all it has to say.
                    try await writer.finish(nil)
                    try await tasks.waitForAll()
                }
            })
    }

    private func answer(_ body: (any GroupControl) async throws -> some Encodable) async throws -> Response {
        guard let group = target.group else {
            throw ControlError(code: .noGroup, message: "there is no group here", hint: "ask a gateway")
        }
        do { return try Self.json(try await body(group)) } catch { throw GatewayControlTarget.controlError(error) }
    }

    private func change(_ body: (any GroupControl) async throws -> GroupChange) async throws -> Response {
        try await answer { ChangeReply(try await body($0)) }
    }

    private func read<Body: Decodable>(_: Body.Type, _ request: Request, example: String) async throws -> Body {
        let body: ByteBuffer
        do { body = try await request.body.collect(upTo: Self.maximumRequestBytes) } catch is NIOTooManyBytesError {
            throw ControlError(code: .badRequest, message: "the body is too long", hint: "send \(example)")
        }
        do { return try JSONDecoder().decode(Body.self, from: Data(body.readableBytesView)) } catch {
            throw ControlError(code: .badRequest, message: "the body cannot be read", hint: "send \(example)")
        }
    }

    private func ping(_ request: Request) async throws -> PingReply {
        let example = "{\"peer\": \"cloud-1\", \"count\": 4}"
        let ping = try await read(PingRequest.self, request, example: example)
        let count = ping.count ?? 1
        guard (1...PingRequest.maximumCount).contains(count) else {
            throw ControlError(
                code: .badRequest, message: "count \(count) is outside 1 to \(PingRequest.maximumCount)",
                hint: "send \(example)")
        }
        var reply = PingReply(peer: ping.peer, sent: 0, rttMicroseconds: [])
        while reply.sent < count {
            reply.sent += 1
            do {
                reply.rttMicroseconds.append((try await target.ping(peer: ping.peer)).wholeMicroseconds)
            } catch let error as ControlError where reply.sent > 1 || error.code == .timedOut {
                // A lost probe is a finding, not a failure of the request.
                reply.lastError = error.message
                break
            }
        }
        return reply
    }

    private static func json(_ value: some Encodable) throws -> Response {
        try ControlJSON.response(value, status: .ok)
    }
}

/// Turns every error of an endpoint into its JSON form.
struct ControlErrorMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch let error as ControlError {
            return try Self.response(error)
        } catch let error as HTTPError where error.status == .notFound {
            return try Self.response(
                ControlError(
                    code: .notFound, message: "there is no \(request.method.rawValue) \(request.uri.path)",
                    hint: "GET /v1/openapi.json lists all; begin with GET /v1/status"))
        } catch let error as HTTPError {
            return try Self.response(
                ControlError(
                    code: .badRequest, message: "the request was refused (\(error.status))", hint: "send a smaller one")
            )
        } catch {
            return try Self.response(
                ControlError(code: .failed, message: "\(error)", hint: "see the gateway's log"))
        }
    }

    private static func response(_ error: ControlError) throws -> Response {
        let status: HTTPResponse.Status =
            switch error.code {
            case .badRequest: .badRequest
            case .notFound, .unknownPeer: .notFound
            case .notConnected, .conflict, .noGroup: .conflict
            case .notAdmin: .forbidden
            case .timedOut: .gatewayTimeout
            case .notReady: .serviceUnavailable
            case .failed: .internalServerError
            }
        return try ControlJSON.response(ControlErrorBody(error), status: status)
    }
}

/// JSON as the control API writes it: keys in alphabetical order, so that two answers can be compared as text.
enum ControlJSON {
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status) throws -> Response {
        var bytes = ByteBuffer(bytes: try encode(value))
        bytes.writeString("\n")
        return Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: bytes))
    }
}

extension Duration {
    /// Whole microseconds, rounded down; 0 when negative.
    fileprivate var wholeMicroseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(seconds) &* 1_000_000 &+ UInt64(attoseconds / 1_000_000_000_000)
    }
}
