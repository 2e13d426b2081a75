import Testing

@testable import DXTunnel

/// What a rehearsal comes to, and what is said before one.
@Suite struct RehearsalVerdictTests {
    private func tunnel(_ role: TunnelStatus.Role = .origin, open: Int = 0, servedAfter: UInt64? = 100)
        -> RehearsalReport.Tunnel
    {
        RehearsalReport.Tunnel(
            name: "web", role: role, openConnections: open, unfollowedConnections: 0, stalledConnections: 0,
            longestSilenceMilliseconds: 0, stillUntilRestored: 0, broken: [:], askedConnections: 0, answeredBy: [:],
            refusedConnections: 0, unansweredConnections: 0, servedAfterMilliseconds: servedAfter)
    }

    private func report(path: String? = nil, _ tunnels: [RehearsalReport.Tunnel]) -> RehearsalReport {
        let plan = RehearsalPlan(
            peer: "cloud-1", paths: path.map { [$0] } ?? [], seconds: 10, otherPaths: [], tunnels: [], wouldBreak: [],
            notes: [])
        return RehearsalReport(
            plan: plan, phase: .over, started: .now(), cutMilliseconds: 10_000, droppedOut: 0, droppedIn: 0,
            thresholdMilliseconds: 100, silentNow: 0, tunnels: tunnels
        ).judged()
    }

    @Test func itHoldsWhenAnotherPathTookOver() {
        var web = tunnel(open: 3)
        web.longestSilenceMilliseconds = 120
        let report = report(path: "192.0.2.1 -> 192.0.2.2:7700", [web])
        #expect(report.holds == true && report.verdict == "no connection broke; longest silence 120 ms")
    }

    @Test func itHoldsWhenNewConnectionsWentElsewhere() {
        var web = tunnel(open: 2)
        web.stillUntilRestored = 2
        web.askedConnections = 5
        web.answeredBy = ["cloud-2": 5]
        web.longestAnswerMilliseconds = 1_240
        let held = report([web])
        #expect(held.holds == true)
        #expect(
            held.verdict
                == "no connection broke; 2 connections stood still until it was back;"
                + " of 5 new connections of web 5 went to cloud-2, the slowest after 1.2 s")
        // Of a path that is cut others have to take over.
        #expect(report(path: "a -> b", [web]).holds == false)
    }

    @Test func itDoesNotHoldWhenAnythingBroke() {
        var broken = tunnel(open: 2)
        broken.broken = ["channel_lost": 1, "given_up": 2]
        #expect(report([broken]).holds == false)
        #expect(report([broken]).verdict?.hasPrefix("3 connections broke (1 channel_lost, 2 given_up)") ?? false)
        var refused = tunnel()
        (refused.askedConnections, refused.refusedConnections, refused.unansweredConnections) = (2, 1, 1)
        #expect(report([refused]).holds == false)
        #expect(
            report([refused]).verdict
                == "no connection broke; of 2 new connections of web 1 were refused or gave up, 1 had no answer")
        #expect(report([tunnel(servedAfter: nil)]).holds == false)
        #expect(
            report([tunnel(servedAfter: nil)]).verdict == "no connection broke; nobody took new connections of web")
        var destination = tunnel(.destination, open: 1, servedAfter: nil)
        #expect(report([destination]).holds == true)
        destination.stillUntilRestored = 1
        #expect(report([destination]).holds == false)
    }

    // MARK: Before

    private func plan(
        path: String? = nil, otherPaths: [String] = [], _ role: TunnelStatus.Role = .origin, open: Int,
        standsBy: [String] = []
    ) -> RehearsalPlan {
        var plan = RehearsalPlan(
            peer: "cloud-1", paths: path.map { [$0] } ?? [], seconds: 10, otherPaths: otherPaths,
            tunnels: [.init(name: "web", role: role, openConnections: open, standsBy: standsBy)], wouldBreak: [],
            notes: [])
        plan.judge()
        return plan
    }

    @Test func whatWouldBreakIsSaidBefore() {
        #expect(plan(path: "a -> b", otherPaths: ["c -> d"], open: 2).wouldBreak.isEmpty)
        #expect(
            plan(path: "a -> b", open: 2).wouldBreak
                == ["web: 2 open connections would stand still, and nobody would take new ones"])
        #expect(
            plan(path: "a -> b", open: 1, standsBy: ["cloud-2"]).wouldBreak
                == ["web: 1 open connection would stand still; new ones would go to cloud-2"])
        #expect(
            plan(open: 2).wouldBreak == ["web: 2 open connections would stand still, and nobody would take new ones"])
        #expect(plan(.destination, open: 1).wouldBreak == ["web: 1 open connection of cloud-1 would stand still"])
        let standby = plan(open: 2, standsBy: ["cloud-2"])
        #expect(standby.wouldBreak.isEmpty)
        #expect(standby.notes == ["web: 2 open connections stand still until it is back; new ones go to cloud-2"])
        #expect(plan(open: 0).wouldBreak.isEmpty && plan(open: 0).notes == ["web: nobody would take new connections"])
    }
}
