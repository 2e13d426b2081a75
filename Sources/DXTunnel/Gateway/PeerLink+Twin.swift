import DXStream
import DXWire
import Logging
import NIOCore

/// Tells a peer that restarted from two gateways with one key (`BootHistory`).
extension PeerLink {
    /// How long the gateway in use has to answer when another start of it comes: so many round trips, and no less nor more than these.
    /// A restarted one waits for it, which is under the second in which it is to carry again.
    private static let answerTrips: Int64 = 4
    private static let leastAnswerTime = Interval.milliseconds(400)
    private static let mostAnswerTime = Interval.seconds(2)

    /// Sessions of another start.
    struct Doubted {
        var sessions: [ChannelSession]
        var boot: UInt64
        var until: Instant
    }

    /// Whether the session's gateway may be used: not the second one of two with one key.
    func judge(_ session: ChannelSession, _ bind: Bind, now: Instant) -> BootHistory.Verdict {
        if let channel, channel.isSucceeded {
            // The one in use has said that it would come.
            boots.follow(bind.bootID)
            return .use
        }
        let wasKnown = boots.twin != nil
        let verdict = boots.judge(bind.bootID, from: session.remote, used: used, now: now)
        tellTwin(wasKnown)
        return verdict
    }

    /// Where the peer is now, when that is heard.
    private var used: Endpoint? { channel.flatMap { $0.isSilent ? nil : $0.sessionInUse?.remote } }

    private func tellTwin(_ wasKnown: Bool) {
        guard let twin = boots.twin, !wasKnown else { return }
        core.warn(
            "two gateways have this peer's key",
            ["peer": name, "used": "\(twin.used)", "other": "\(twin.other)"])
    }

    /// Another start of the peer came: asks the one in use whether it still runs.
    func ask(_ session: ChannelSession, _ bind: Bind, now: Instant) {
        if let count = doubted?.sessions.count, doubted?.boot == bind.bootID, count < Self.maximumBinding {
            doubted?.sessions.append(session)
            return
        }
        guard doubted == nil, let channel else { return drop(session) }
        let trip = channel.transport.pathSnapshots.first(where: \.isActive)?.roundTrip ?? Self.mostAnswerTime
        let patience = min(max(trip * Self.answerTrips, Self.leastAnswerTime), Self.mostAnswerTime)
        doubted = Doubted(sessions: [session], boot: bind.bootID, until: now + patience)
        let promise = core.eventLoop.makePromise(of: Interval.self)
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        let boot = bind.bootID
        promise.futureResult.whenSuccess { _ in bound.value.answered(whenAsked: boot) }
        channel.ping(promise)
        refreshDeadline()
    }

    /// The one in use still runs.
    private func answered(whenAsked boot: UInt64) {
        guard let doubted, doubted.boot == boot, let used, let session = doubted.sessions.first else { return }
        self.doubted = nil
        let wasKnown = boots.twin != nil
        boots.refuse(boot, from: session.remote, used: used, now: core.currentTime())
        tellTwin(wasKnown)
        for session in doubted.sessions { drop(session) }
    }

    /// The one in use has not answered: the other start came after it.
    func follow(_ doubted: Doubted, now: Instant) {
        self.doubted = nil
        boots.follow(doubted.boot)
        for session in doubted.sessions {
            if let bind = session.bind.peer { attach(session, bind, now: now) }
        }
    }

    /// The other gateway with this peer's key, if there is one.
    var twin: BootHistory.Twin? {
        boots.expire(now: core.currentTime())
        return boots.twin
    }
}
