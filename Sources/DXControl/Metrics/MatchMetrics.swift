import DXMatch
import DXMatchServer
import DXSocket
import DXTunnel

/// A matchmaker's figures as OpenMetrics text. `docs/metrics.md` §4 lists them.
enum MatchMetrics {
    typealias Sample = OpenMetricsText.Sample

    static func text(_ status: Matchmaker.Status, _ format: OpenMetricsText.Format = .openMetrics) -> String {
        var text = OpenMetricsText(format)
        text.family("dx_match_build", .info, "The version of the program.", [Sample(1, ("version", DXVersion.current))])
        writeHoldings(status.front, &text)
        writeTraffic(status, &text)
        writeAnswers(status.front, &text)
        writeDrops(status, &text)
        if let mirror = status.mirror { writeMirror(mirror, &text) }
        ProcessMetrics.write(to: &text)
        return text.finished
    }

    private static func writeHoldings(_ status: MatchFrontStatus, _ text: inout OpenMetricsText) {
        let server = status.server
        text.gauge("dx_match_registrations", "Members registered.", server.registrations)
        text.gauge("dx_match_groups", "Group tags with members.", server.groups)
        text.gauge("dx_match_match_keys", "Match keys with members.", server.matchKeys)
        text.gauge("dx_match_admissions", "Match keys that members of served groups admitted.", server.admissions)
        if let served = status.servedKeys {
            text.gauge("dx_match_served_match_keys", "Match keys that are served.", served)
        }
        text.gauge(
            "dx_match_pending_notices", "Notices neither acknowledged nor sent three times.", server.pendingNotices)
        text.gauge("dx_match_handshakes_in_progress", "Handshakes in progress.", status.handshakes)
        text.gauge("dx_match_registry_bytes", unit: "bytes", "Memory of the registry.", server.registryByteCount)
        text.gauge("dx_match_leaving", "1 while members are told to use others.", server.isLeaving ? 1 : 0)
    }

    private static func writeTraffic(_ status: Matchmaker.Status, _ text: inout OpenMetricsText) {
        let front = status.front.front
        text.counter("dx_match_received_datagrams", "Datagrams that came.", front.received)
        text.counter("dx_match_received_bytes", unit: "bytes", "Their UDP payload.", front.receivedByteCount)
        text.counter("dx_match_sent_datagrams", "Answers and notices.", front.sent)
        text.counter("dx_match_sent_bytes", unit: "bytes", "Their UDP payload.", front.sentByteCount)
        text.counter("dx_match_unsent_datagrams", "Answers that the kernel had no room for.", status.unsent)
        text.counter(
            "dx_match_refused_datagrams", "Answers that the kernel refused to send.",
            status.sockets.reduce(0) { $0 &+ $1.refused })
        text.counter(
            "dx_match_socket_rebinds", "Sockets opened again.", status.sockets.reduce(0) { $0 &+ $1.rebinds })
    }

    private static func writeAnswers(_ status: MatchFrontStatus, _ text: inout OpenMetricsText) {
        let (front, server) = (status.front, status.server.statistics)
        text.counter("dx_match_cookies", "Cookies given.", front.cookies)
        text.counter("dx_match_handshakes", "Handshakes begun.", front.handshakes)
        text.counter("dx_match_handshakes_expired", "Handshakes that took too long.", front.handshakesExpired)
        text.counter("dx_match_repeated_flights", "Flights that came again.", front.repeatedFlights)
        text.family(
            "dx_match_tickets", .counter, "Wishes for a ticket, by what became of them.",
            [
                Sample(front.tickets, ("result", "granted")), Sample(front.observeTickets, ("result", "observe_only")),
                Sample(front.notServed, ("result", "not_served")),
                Sample(front.wrongTicketSignatures, ("result", "wrong_signature")),
            ])
        text.counter("dx_match_tickets_refused", "Requests whose ticket is not known.", front.ticketsRefused)
        text.counter("dx_match_answers", "Requests answered, whatever the status.", server.answers)
        text.family(
            "dx_match_refusals", .counter, "Requests answered with a refusal.",
            [
                Sample(server.tooOften, ("status", "too_often")), Sample(server.full, ("status", "full")),
                Sample(server.wrongSignatures, ("status", "wrong_signature")),
            ])
        text.counter("dx_match_refreshes", "REFRESH that renewed.", server.refreshes)
        text.counter("dx_match_moved_refreshes", "REFRESH from another address.", server.movedRefreshes)
        text.counter("dx_match_introductions", "Introductions.", server.introductions)
        text.counter("dx_match_notices", "Notices sent, each sending counted.", server.notices)
        text.counter("dx_match_notices_acknowledged", "Notices acknowledged.", server.acknowledged)
        text.counter("dx_match_registrations_expired", "Registrations that ended without a word.", server.expired)
        text.counter("dx_match_stun_answers", "STUN requests answered.", front.stunAnswers)
    }

    private static func writeMirror(_ mirror: MirrorStatistics, _ text: inout OpenMetricsText) {
        text.gauge("dx_match_registry_connected", "1 while the shared registry is there.", mirror.isConnected ? 1 : 0)
        text.counter("dx_match_registry_reconnects", "Times that it came back.", mirror.reconnects)
        text.counter("dx_match_registry_sent", "Messages to other instances.", mirror.sent)
        text.counter("dx_match_registry_received", "Messages of other instances.", mirror.received)
        text.counter("dx_match_registry_lost", "Events that the others were not told of.", mirror.lost)
        text.counter("dx_match_registry_unreadable", "Messages that do not open.", mirror.unreadable)
    }

    private static func writeDrops(_ status: Matchmaker.Status, _ text: inout OpenMetricsText) {
        let (front, server) = (status.front.front, status.front.server.statistics)
        var samples = MatchFrontDrop.allCases.map { Sample(front.drops[$0] ?? 0, ("reason", $0.rawValue)) }
        samples += [
            Sample(server.malformed, ("reason", "empty_request")), Sample(server.rateLimited, ("reason", "rate")),
            Sample(server.replayed, ("reason", "replayed")),
            Sample(server.unknownHandles, ("reason", "unknown_handle")),
            Sample(server.wrongCodes, ("reason", "wrong_code")),
            Sample(status.sockets.reduce(0) { $0 &+ $1.truncated }, ("reason", "truncated")),
        ]
        text.family("dx_match_dropped_datagrams", .counter, "Datagrams without an answer, by reason.", samples)
    }
}
