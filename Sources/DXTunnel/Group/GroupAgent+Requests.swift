import DXSecure
import DXWire
import Logging
import NIOCore

/// What an operator asks of this gateway that another admin is to do (`docs/group.md` §8.1), and what other admins ask of this
/// one.
extension GroupAgent {
    /// A request that waits for its answer, or for a channel to whom it is for.
    struct WaitingRequest {
        let name: String
        let key: PublicKey
        let id: GatewayID
        let body: [UInt8]
        let promise: EventLoopPromise<AdminAnswer>
        var isSent = false
        var expiry: Scheduled<Void>?
    }

    /// Operators ask for one thing at a time.
    private static let mostWaiting = 16
    /// Of one admin: each waits for this gateway's disk.
    private static let mostAnswering = 4

    // MARK: Asking

    /// Has an admin do something; a name of this gateway's own is nil.
    func otherAdmin(_ name: String?) throws(GroupError) -> GroupState.Member? {
        guard let name else { return nil }
        try requireAdmin()
        let member = try member(named: name)
        guard member.id != self.member else { return nil }
        guard member.isAdmin else {
            let admins = state.members.filter(\.isAdmin).map(\.name)
            throw GroupError(.conflict, "\(member.name) is no admin", "ask one: \(admins.joined(separator: ", "))")
        }
        return member
    }

    /// Asks an admin, over a channel that is there or is made for it.
    func ask(_ request: AdminRequest, _ admin: GroupState.Member) throws(GroupError) -> EventLoopFuture<AdminAnswer> {
        guard requests.count < Self.mostWaiting else {
            throw GroupError(.conflict, "\(requests.count) requests to other admins wait", "ask again in a moment")
        }
        let body = request.encoded
        guard let id = ids[admin.record.key] ?? admin.record.key.gatewayID, body.count <= AdminRequest.longest else {
            throw GroupError(.badRequest, "the request is too long", "give fewer labels")
        }
        let number = SecureRandom.next()
        let promise = core.eventLoop.makePromise(of: AdminAnswer.self)
        var waiting = WaitingRequest(
            name: admin.name, key: admin.record.key, id: id, body: body, promise: promise)
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        waiting.expiry = core.eventLoop.scheduleTask(in: .nanoseconds(core.tuning.requestPatience.nanoseconds)) {
            bound.value.expireRequest(number)
        }
        requests[number] = waiting
        if stream(to: waiting.key) == nil {
            refresh()
            core.peersByID[id]?.start(now: core.currentTime())
        } else {
            sendRequests(to: waiting.key)
        }
        settle()
        return promise.futureResult
    }

    /// Those that a channel is wanted to although the document gives no reason.
    var asked: Set<GatewayID> { Set(requests.values.map(\.id)) }

    /// There is an exchange with a member: what waits for it goes.
    func sendRequests(to neighbour: PublicKey) {
        guard let stream = stream(to: neighbour) else { return }
        for (number, request) in requests where request.key == neighbour && !request.isSent {
            guard stream.channel.peerCapabilities & Bind.takesAdminRequests != 0 else {
                finishRequest(
                    number,
                    .failure(
                        GroupError(
                            .conflict, "\(request.name) runs a version that does not know this",
                            "update it, or ask there")))
                continue
            }
            requests[number]?.isSent = true
            queue(.request(number, request.body), to: neighbour)
        }
    }

    /// The exchange with a member is over: what it was asked for it may have done or not.
    func failRequests(to neighbour: PublicKey) {
        for (number, request) in requests where request.key == neighbour && request.isSent {
            finishRequest(
                number,
                .failure(
                    GroupError(
                        .notConnected, "the channel to \(request.name) ended before it answered",
                        "dxgateway invite list --at \(request.name) shows what it did")))
        }
    }

    private func expireRequest(_ number: UInt64) {
        guard let request = requests[number] else { return }
        let reason = core.peersByID[request.id]?.lastError.map { " (\($0))" } ?? ""
        finishRequest(
            number,
            .failure(
                request.isSent
                    ? GroupError(
                        .timedOut, "\(request.name) did not answer in time",
                        "dxgateway invite list --at \(request.name) shows what it did")
                    : GroupError(
                        .notConnected, "\(request.name) is not connected to this gateway\(reason)",
                        "dxgateway member list shows who is there")))
    }

    private func finishRequest(_ number: UInt64, _ result: Result<AdminAnswer, any Error>) {
        guard let request = requests.removeValue(forKey: number) else { return }
        request.expiry?.cancel()
        // The channel is wanted no more, unless there are other reasons.
        if !isStopped { refresh() }
        request.promise.completeWith(result)
    }

    /// An answer came. Only whom the question was for, and only while it is an admin, is heard.
    func receiveAnswer(_ number: UInt64, _ body: [UInt8], from neighbour: PublicKey) {
        guard let request = requests[number], request.key == neighbour, request.isSent,
            state.admins.contains(neighbour)
        else { return }
        guard let answer = try? AdminAnswer(body) else {
            return finishRequest(
                number,
                .failure(
                    GroupError(.failed, "the answer of \(request.name) cannot be read", "check the versions of both")))
        }
        if case .refused(let error) = answer {
            finishRequest(
                number, .failure(GroupError(error.code, "\(request.name): \(error.message)", error.hint)))
        } else {
            finishRequest(number, .success(answer))
        }
    }

    /// The gateway stops.
    func endRequests() {
        for number in requests.keys { finishRequest(number, .failure(GatewayError.notRunning)) }
    }

    // MARK: Answering

    /// A member asks for something. Only admins may, and only an admin does it.
    func receiveRequest(_ number: UInt64, _ body: [UInt8], from neighbour: PublicKey) {
        guard state.admins.contains(neighbour), isAdmin else {
            core.complain(
                "a request of a member was refused", ["member": authorName(neighbour)], limit: &complaints)
            return answer(
                GroupError(
                    .notAdmin, isAdmin ? "the gateway that asks is no admin" : "this gateway is no admin",
                    "wait until both have heard of it"), to: number, neighbour)
        }
        guard answering[neighbour, default: 0] < Self.mostAnswering else {
            return answer(
                GroupError(.conflict, "this gateway is busy with other requests", "ask again in a moment"), to: number,
                neighbour)
        }
        let future: EventLoopFuture<AdminAnswer>
        do throws(GroupError) {
            guard let request = try? AdminRequest(body) else {
                throw GroupError(.conflict, "this version does not know the request", "update it, or ask there")
            }
            future = try perform(request, for: neighbour)
        } catch { return answer(error, to: number, neighbour) }
        answering[neighbour, default: 0] += 1
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        future.whenComplete { result in
            let agent = bound.value
            let left = agent.answering[neighbour, default: 1] - 1
            agent.answering[neighbour] = left > 0 ? left : nil
            switch result {
            case .success(let done): agent.answer(done, to: number, neighbour)
            case .failure(let error):
                agent.answer(
                    error as? GroupError ?? GroupError(.failed, "\(error)", "see its log"), to: number, neighbour)
            }
            agent.settle()
        }
    }

    private func perform(
        _ request: AdminRequest, for neighbour: PublicKey
    ) throws(GroupError) -> EventLoopFuture<AdminAnswer> {
        switch request {
        case .invite(let request):
            let count = request.count ?? 1
            guard count <= AdminRequest.mostTokens else {
                throw GroupError(
                    .badRequest, "count \(count) is above the \(AdminRequest.mostTokens) of another gateway's",
                    "ask several times, or there")
            }
            let made = try invite(request)
            core.logger.notice(
                "invitations were made for another admin",
                metadata: ["admin": "\(authorName(neighbour))", "count": "\(count)"])
            return made.map { .invitations($0) }
        case .list: return core.eventLoop.makeSucceededFuture(.invitations(invitations()))
        case .revoke(let id): return try revoke(id).map { .revoked($0) }
        }
    }

    private func answer(_ error: GroupError, to number: UInt64, _ neighbour: PublicKey) {
        answer(.refused(error), to: number, neighbour)
    }

    private func answer(_ answer: AdminAnswer, to number: UInt64, _ neighbour: PublicKey) {
        guard stream(to: neighbour) != nil else { return }
        var body = answer.encoded
        if body.count > AdminRequest.longest {
            let error = GroupError(
                .conflict, "there are more invitations than can be told at once", "dxgateway invite list there")
            body = AdminAnswer.refused(error).encoded
        }
        queue(.answer(number, body), to: neighbour)
    }
}
