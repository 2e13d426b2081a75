import DXStream
import DXWire
import Logging
import NIOCore

/// A rehearsal that goes on: looks how things are for half a second, cuts, looks on, restores when the time is over, and waits
/// for a moment for those that stood still. The gateway's own timer ends it, whoever began it and whether anybody still asks. Bound to
/// the gateway's event loop.
final class Rehearsal {
    private unowned let core: GatewayCore
    private let peer: PeerLink
    private var blackout: Blackout
    /// What is cut is the path that is in use when that begins.
    private let isOfPathInUse: Bool
    private let slot: RehearsalSlot
    private var meter: RehearsalMeter
    private var report: RehearsalReport
    /// The ends of tunnels, as the meter counts them.
    private let ends: [End]
    private var endByUsage: [ObjectIdentifier: Int] = [:]
    /// Those that are followed, by the meter's number; nil once they have ended.
    private var connections: [RehearsedConnection?] = []
    /// Those through the channel at the last look before the cut: each is counted once.
    private var known: Set<ObjectIdentifier> = []
    private var timer: RepeatedTask?
    private var phaseEnd: Instant
    private var cutAt: Instant?
    private var restoredAt: Instant?
    private var channelBefore: PeerChannel?
    private var ticks = 0

    /// One end of a tunnel.
    enum End {
        case origin(OriginTunnel)
        case destination(DestinationTunnel)

        var name: String {
            switch self {
            case .origin(let tunnel): tunnel.name
            case .destination(let tunnel): tunnel.name
            }
        }
        var usage: TunnelUsage {
            switch self {
            case .origin(let tunnel): tunnel.usage
            case .destination(let tunnel): tunnel.usage
            }
        }
        var isOrigin: Bool { if case .origin = self { true } else { false } }
    }

    /// Between two looks. A look at 4,096 connections takes 1 ms.
    private static let pause = TimeAmount.milliseconds(20)
    /// Long enough to see who is amid a transfer.
    private static let leadTime = Interval.milliseconds(500)
    /// Afterwards: channels ask again within this time, after 60 s of silence too.
    static let settleTime = Interval.seconds(5)
    /// What others are told is as old as so many looks at most: a tenth of a second.
    private static let looksPerReport = 5

    init(
        _ plan: RehearsalPlan, _ blackout: Blackout, isOfPathInUse: Bool, of peer: PeerLink, ends: [End],
        core: GatewayCore
    ) {
        self.core = core
        self.peer = peer
        self.blackout = blackout
        self.isOfPathInUse = isOfPathInUse
        self.ends = ends
        slot = core.share.rehearsals
        let trip = peer.channel?.transport.pathSnapshots.first(where: \.isActive)?.roundTrip
        meter = RehearsalMeter(tunnels: ends.map { ($0.name, $0.isOrigin) }, roundTrip: trip)
        for (place, end) in ends.enumerated() { endByUsage[ObjectIdentifier(end.usage)] = place }
        phaseEnd = core.currentTime() + Self.leadTime
        report = RehearsalReport(
            plan: plan, phase: .before, started: .now(), cutMilliseconds: 0, droppedOut: 0, droppedIn: 0,
            thresholdMilliseconds: RehearsalMeter.milliseconds(meter.threshold), silentNow: 0, tunnels: [])
    }

    /// Whether something is cut, or about to be.
    var isCutting: Bool { report.phase == .before || report.phase == .cut }

    // MARK: Commands

    /// Begins, unless another one goes on, which it returns.
    func begin() -> RehearsalReport? {
        if let other = slot.take(report) { return other }
        core.logger.notice(
            "rehearsal begins", metadata: ["cut": "\(report.plan.what)", "seconds": "\(report.plan.seconds)"])
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        timer = core.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.pause) { _ in bound.value.tick() }
        return nil
    }

    /// Ends the cut at once; what was felt is told all the same.
    func end(_ ending: RehearsalReport.Ending) {
        guard isCutting else { return }
        restore(ending, now: core.currentTime())
        publish(now: core.currentTime())
    }

    /// The gateway ends: nothing is looked at any more.
    func cancel() {
        end(.draining)
        if report.phase != .over { finish(now: core.currentTime()) }
    }

    /// A connection of a tunnel that begins here is asked for.
    func asked(_ connection: RehearsedConnection) {
        guard report.phase == .cut else { return }
        follow(connection, connection.look().look, isNew: true, now: core.currentTime())
    }

    /// One was refused before there was anything of it.
    func refused(by tunnel: OriginTunnel) {
        guard let end = endByUsage[ObjectIdentifier(tunnel.usage)] else { return }
        meter.refused(tunnel: end)
    }

    // MARK: Time

    private func tick() {
        guard report.phase != .over else { return }
        let now = core.currentTime()
        look(now: now)
        switch report.phase {
        case .before: if phaseEnd <= now { cut(now: now) }
        case .cut:
            if core.peersByID[peer.id] !== peer {
                restore(.peerGone, now: now)
            } else if phaseEnd <= now {
                restore(.time, now: now)
            }
        case .after:
            if phaseEnd <= now || (meter.stillCount == 0 && meter.unansweredCount == 0) { return finish(now: now) }
        case .over: break
        }
        ticks += 1
        if ticks % Self.looksPerReport == 0 { publish(now: now) }
    }

    private func cut(now: Instant) {
        report.phase = .cut
        report.pathBefore = pathInUse
        cutAt = now
        phaseEnd = now + .seconds(Int64(report.plan.seconds))
        channelBefore = peer.channel
        meter.cut(now: now)
        if isOfPathInUse, let channel = peer.channel, let (plan, blackout) = core.replanned(report.plan, channel) {
            report.plan = plan
            self.blackout = blackout
        }
        core.begin(blackout)
        // With nothing on the way nobody would miss an answer, and whatever stands by would not be heard.
        guard let channel = peer.channel, let path = channel.transport.activePath else { return }
        channel.transport.probePath(path, now: now)
        core.mark(channel)
    }

    private func restore(_ ending: RehearsalReport.Ending, now: Instant) {
        core.endBlackout()
        // Nothing was cut yet: there is nothing to wait for.
        if cutAt == nil {
            cutAt = now
            meter.cut(now: now)
            for place in ends.indices { meter.served(tunnel: place, now: now) }
        }
        report.phase = .after
        report.ending = ending
        report.pathDuring = pathInUse
        restoredAt = now
        phaseEnd = now + Self.settleTime
        meter.restored(now: now)
        core.logger.notice("rehearsal: all is as it was", metadata: ["cut": "\(report.plan.what)", "why": "\(ending)"])
    }

    private func finish(now: Instant) {
        timer?.cancel()
        timer = nil
        report.phase = .over
        report.pathAfter = pathInUse
        refreshReport(now: now)
        report = report.judged()
        slot.publish(report)
        connections.removeAll()
        core.logger.notice("rehearsal is over", metadata: ["result": "\(report.verdict ?? "")"])
        core.rehearsal = nil
    }

    // MARK: Looking

    private func look(now: Instant) {
        if report.phase == .before { followAll(now: now) }
        for place in connections.indices {
            guard let connection = connections[place] else { continue }
            let (look, end, destination) = connection.look()
            if let look { meter.look(place, look, now: now) }
            if let destination { meter.answered(place, by: destination, now: now) }
            if let end {
                meter.ended(place, end, now: now)
                connections[place] = nil
            }
        }
        guard report.phase == .cut, let cutAt else { return }
        let isHeard = peer.channel.map { $0 !== channelBefore || $0.transport.lastHeard > cutAt } ?? false
        if isHeard { meter.heard(now: now) }
        for (place, end) in ends.enumerated() where isHeard || isServedElsewhere(end) {
            meter.served(tunnel: place, now: now)
        }
    }

    private func isServedElsewhere(_ end: End) -> Bool {
        guard case .origin(let tunnel) = end else { return false }
        return tunnel.choice.standings.contains { $0.name != peer.name && $0.isUsable }
    }

    /// The connections through the channel. One that is over is none of them, though its stream may not have ended yet; nor is one
    /// known that is gone: another may stand where it was.
    private func followAll(now: Instant) {
        var present: Set<ObjectIdentifier> = []
        for connection in peer.channel?.connections ?? [] {
            let (look, end, _) = connection.look()
            guard end == nil, present.insert(connection.id).inserted, !known.contains(connection.id) else { continue }
            follow(connection, look, isNew: false, now: now)
        }
        known = present
    }

    /// Beyond the limit it is only counted.
    private func follow(_ connection: RehearsedConnection, _ look: RehearsalMeter.Look?, isNew: Bool, now: Instant) {
        guard let end = endByUsage[ObjectIdentifier(connection.usage)] else { return }
        let none = RehearsalMeter.Look(moved: 0, received: 0, isWaiting: false, isHeldBack: false)
        if meter.follow(tunnel: end, isNew: isNew, look ?? none, now: now) != nil { connections.append(connection) }
    }

    private var pathInUse: String? {
        peer.channel?.sessionInUse.map { core.pathWords($0) }
    }

    // MARK: Telling

    private func refreshReport(now: Instant) {
        if let cutAt { report.cutMilliseconds = RehearsalMeter.milliseconds((restoredAt ?? now) - cutAt) }
        report.firstByteMilliseconds = meter.firstByteMilliseconds
        report.heardMilliseconds = meter.heardMilliseconds
        report.droppedOut = blackout.droppedOut
        report.droppedIn = blackout.droppedIn
        report.silentNow = meter.stillCount
        report.tunnels = meter.report(now: now)
    }

    private func publish(now: Instant) {
        refreshReport(now: now)
        slot.publish(report)
    }
}

@available(*, unavailable)
extension Rehearsal: Sendable {}
@available(*, unavailable)
extension Rehearsal.End: Sendable {}
