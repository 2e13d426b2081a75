import DXMatch
import DXStream
import DXWire
import Logging
import NIOCore

/// Tells a gateway that is gone, on a host that is there, from one that cannot be reached (`docs/ha.md` §5).
///
/// A host answers a datagram to a port at which nobody listens with an ICMP message (RFC 1122 §3.2.2.1). Anybody can forge one, so it
/// proves nothing by itself: it is asked for only when the channel has missed two answers already, from sockets of their own with a
/// new port for each question, and only when the address is one of the peer's own host and no NAT's, which may forget a binding
/// and refuse while the peer is well. Refusals of two questions some time apart, and not one packet of the peer meanwhile, and it
/// counts as gone: its connections end with a reset, where they would otherwise wait for the liveness bound.
extension PeerLink {
    /// Questions that go on.
    final class GoneSearch {
        let channel: PeerChannel
        let remote: Endpoint
        /// When the channel was heard last: any later packet ends the search.
        let heard: Instant
        fileprivate(set) var firstRefusal: Instant?
        fileprivate(set) var lastRefusal: Instant?
        fileprivate(set) var questions: [UDPRefusal] = []

        init(_ channel: PeerChannel, _ remote: Endpoint) {
            self.channel = channel
            self.remote = remote
            heard = channel.transport.lastHeard
        }
    }

    /// Ten a second: hosts answer a burst of six and then one a second (icmp_ratelimit of Linux), so the next answer that is given is
    /// one to a question.
    private static let questionPause = Interval.milliseconds(100)
    /// Two and a half seconds: two answers at one a second.
    private static let mostQuestions = 25
    /// Without any refusal half of them are enough: nothing is there to refuse, or nothing says so.
    private static let mostUnanswered = 12
    /// Refusals lie at least so far apart: one moment of a firewall that is being loaded is not enough.
    private static let refusalSpread = Interval.milliseconds(300)
    /// As long as a keepalive: noise to a gateway that is there after all.
    private static let questionByteCount = 48

    /// Begins to ask the peer's host, unless that goes on or can tell nothing.
    func searchWhetherGone(_ channel: PeerChannel) {
        guard goneSearch == nil, channel === self.channel, !isForwarded, let session = channel.sessionInUse,
            isOfOwnHost(session.remote)
        else { return }
        goneSearch = GoneSearch(channel, session.remote)
        askWhetherGone()
    }

    /// Whether an address is the peer's own: it says so itself, or nothing can be between.
    private func isOfOwnHost(_ remote: Endpoint) -> Bool {
        if remote.isLoopback { return true }
        guard addresses.isEmpty else {
            // A name is what it led to when the peer was called.
            return addresses.contains { $0.endpoint.map { $0 == remote } ?? knownEndpoints.contains(remote) }
        }
        return LocalAddresses.networks().contains { $0.contains(remote) }
    }

    private func askWhetherGone() {
        guard let search = goneSearch else { return }
        // What is cut in a rehearsal hears no questions either, and its silence says nothing.
        guard search.channel.transport.lastHeard == search.heard, search.channel.transport.isOpen,
            core.blackout(of: search.channel) == nil,
            search.questions.count < (search.firstRefusal == nil ? Self.mostUnanswered : Self.mostQuestions)
        else { return endGoneSearch() }
        let bound = NIOLoopBound((self, search), eventLoop: core.eventLoop)
        let bytes = (0..<Self.questionByteCount).map { _ in UInt8(truncatingIfNeeded: core.random.next()) }
        search.questions.append(
            UDPRefusal(search.remote, sending: bytes, on: core.eventLoop) { bound.value.0.onRefused(bound.value.1) })
        core.eventLoop.scheduleTask(in: .nanoseconds(Self.questionPause.nanoseconds)) {
            let (peer, search) = bound.value
            if peer.goneSearch === search { peer.askWhetherGone() }
        }
    }

    private func onRefused(_ search: GoneSearch) {
        guard goneSearch === search else { return }
        let now = core.currentTime()
        search.firstRefusal = search.firstRefusal ?? now
        search.lastRefusal = now
        guard let first = search.firstRefusal, first + Self.refusalSpread <= now,
            search.channel.transport.lastHeard == search.heard
        else { return }
        endGoneSearch()
        core.logger.notice("peer's host says that no gateway runs there", metadata: ["peer": "\(name)"])
        search.channel.transport.close(.none, reason: "its host says that no gateway runs there", now: now)
        core.mark(search.channel)
    }

    /// Asks no more.
    func endGoneSearch() {
        for question in goneSearch?.questions ?? [] { question.close() }
        goneSearch = nil
    }
}
