import Testing

@testable import DXControl
@testable import DXTunnel

/// What people read before and after a rehearsal.
@Suite struct RehearsalTextTests {
    private var plan: RehearsalPlan {
        RehearsalPlan(
            peer: "cloud-1", paths: ["192.0.2.1 -> 203.0.113.2:7700"], seconds: 10,
            otherPaths: ["198.51.100.1 -> 198.51.100.2:7700"],
            tunnels: [.init(name: "web", role: .origin, openConnections: 3, standsBy: ["cloud-2"])], wouldBreak: [],
            notes: ["dns: datagrams are lost too, and not measured"])
    }

    private var report: RehearsalReport {
        var web = RehearsalReport.Tunnel(
            name: "web", role: .origin, openConnections: 3, unfollowedConnections: 0, stalledConnections: 2,
            stallP50Milliseconds: 120, stallP99Milliseconds: 140, longestSilenceMilliseconds: 140,
            stillUntilRestored: 0, broken: [:], askedConnections: 2, answeredBy: ["cloud-2": 2], refusedConnections: 0,
            unansweredConnections: 0, longestAnswerMilliseconds: 410, servedAfterMilliseconds: 20)
        web.broken = [:]
        var report = RehearsalReport(
            plan: plan, phase: .over, started: .now(), cutMilliseconds: 10_020, ending: .time,
            pathBefore: "192.0.2.1 -> 203.0.113.2:7700", pathDuring: "198.51.100.1 -> 198.51.100.2:7700",
            pathAfter: "198.51.100.1 -> 198.51.100.2:7700", firstByteMilliseconds: 120, heardMilliseconds: 120,
            droppedOut: 90, droppedIn: 60, thresholdMilliseconds: 100, silentNow: 0, tunnels: [web])
        report.verdict = "no connection broke; longest silence 140 ms"
        report.holds = true
        return report
    }

    @Test func thePlanSaysWhatStandsBy() {
        #expect(
            RehearsalText.text(plan) == """
                cuts              the path 192.0.2.1 -> 203.0.113.2:7700 to cloud-1, for 10 s, at this gateway
                stands by         198.51.100.1 -> 198.51.100.2:7700
                tunnel            web (origin), 3 open; stands by: cloud-2
                note              dns: datagrams are lost too, and not measured
                """)
        var alone = plan
        alone.otherPaths = []
        alone.wouldBreak = ["web: 3 open connections would stand still, and nobody would take new ones"]
        let text = RehearsalText.text(alone)
        #expect(text.contains("stands by         no other path\n"))
        #expect(text.contains("would break       web: 3 open connections would stand still"))
    }

    /// What is said to do helps: only what is refused for the harm alone can be forced.
    @Test func refusalsSayWhatHelps() throws {
        func words(_ error: GatewayError) throws -> (message: String, hint: String) {
            let error = try #require(GatewayControlTarget.controlError(error) as? ControlError)
            return (error.message, error.hint)
        }
        #expect(try words(.rehearsalRefused("nothing stands by")).hint == "--force cuts it all the same")
        let tooLong = try words(.rehearsalTooLong("cloud-1", silence: 60, longest: 55))
        #expect(tooLong.message == "connections with cloud-1 end after 60 s of silence: it may be cut for 55 s at most")
        #expect(tooLong.hint.hasPrefix("say --seconds 55, or raise limits: liveness at both gateways"))
        let never = try words(.rehearsalTooLong("cloud-1", silence: 5, longest: 0))
        #expect(never.message == "connections with cloud-1 end after 5 s of silence: too soon for any rehearsal")
        #expect(never.hint.hasPrefix("raise limits: liveness at both gateways"))
        let draining = try words(.draining)
        #expect(draining.message == "the gateway is draining, and about to stop")
        #expect(draining.hint == "if it is not to stop, dxgateway drain --end takes connections again")
        // Before its cut, and while those that stood still go on, nothing is cut.
        let second = try words(.rehearsing("cloud-1"))
        #expect(second.message == "another rehearsal goes on, of cloud-1")
        #expect(second.hint == "dxgateway rehearse stop ends its cut; it is over a few seconds later")
    }

    @Test func theReportEndsWithTheVerdict() {
        #expect(
            RehearsalText.text(report) == """
                cut               the path 192.0.2.1 -> 203.0.113.2:7700 to cloud-1, for 10.0 s
                                  90 datagrams not sent, 60 not taken
                path              before 192.0.2.1 -> 203.0.113.2:7700
                                  during 198.51.100.1 -> 198.51.100.2:7700
                                  after  198.51.100.1 -> 198.51.100.2:7700
                first byte        after 120 ms
                tunnel            web (origin): 3 open, 2 stood still: p50 120 ms, p99 140 ms, longest 140 ms
                                  2 new: answered 2 by cloud-2, refused 0, without answer 0; the slowest after 410 ms

                holds: no connection broke; longest silence 140 ms
                """)
        var early = report
        (early.ending, early.holds, early.phase, early.silentNow) = (.stopped, false, .cut, 1)
        #expect(RehearsalText.text(early).contains("for 10.0 s, ended early (stopped)"))
        #expect(RehearsalText.text(early).contains("DOES NOT HOLD: "))
        #expect(
            RehearsalText.progress(early) == "cut for 10.0 s of 10 s: 1 stand still, longest silence 140 ms")
    }
}
