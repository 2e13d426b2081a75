import DXMatch
import Testing

@testable import DXTunnel

/// What `explain` says of a peer, and the one change that it names.
@Suite struct PeerOutlookTests {
    private let served = PeerOutlook.Matchmaker(server: "match.example:3478", isRegistered: true)

    /// Registered, the peer listed, and this introduction the last one.
    private func facts(_ introduction: PeerOutlook.Introduction) -> PeerOutlook.Facts {
        var facts = PeerOutlook.Facts(peer: "edge-1")
        facts.matchmakers = [served]
        facts.isListed = true
        facts.introduction = introduction
        facts.hasForwarders = true
        return facts
    }

    @Test(arguments: [PathKind.direct, .lan]) func nothingHasToChangeWhereTheWayIsDirect(_ kind: PathKind) {
        var facts = facts(.failed(.notGuessed))
        facts.pathKind = kind
        let outlook = PeerOutlook(facts)
        #expect(outlook.conclusion.hasPrefix("connected") && outlook.remedy == nil)
    }

    /// A forwarded way works, and something would make it direct all the same.
    @Test func aForwardedWayNamesWhatIsInTheWay() {
        var facts = facts(.failed(.impossible(.bothHard, .mapPort)))
        facts.pathKind = .forwarded
        facts.forwardedBy = "hub"
        let outlook = PeerOutlook(facts)
        #expect(outlook.conclusion.hasPrefix("forwarded by hub, because both NATs"))
        #expect(outlook.remedy == "\(NATVerdict.Remedy.mapPort)")
    }

    /// Where nobody forwards that is said beside, and may be the smallest change.
    @Test func nobodyForwardsIsSaid() {
        var facts = facts(.failed(.impossible(.bothHard, .mapPort)))
        facts.hasForwarders = false
        let outlook = PeerOutlook(facts)
        #expect(outlook.conclusion.hasSuffix("; and no member that reaches both forwards"))
        #expect(outlook.remedy?.hasPrefix("\(NATVerdict.Remedy.mapPort); or let a member") == true)
        facts.introduction = .running
        #expect(!PeerOutlook(facts).conclusion.contains("forwards"))
    }

    @Test func theoryNamesTheRemedy() {
        let cases: [(NATVerdict.Reason, NATVerdict.Remedy)] = [
            (.bothHard, .mapPort), (.bothHard, .addIPv6(isOurs: true)),
            (.noUDP(isOurs: false), .allowUDP(isOurs: false)),
            (.noHairpin, .allowNeighbours), (.noCommonFamily, .commonFamily),
        ]
        for (reason, remedy) in cases {
            let outlook = PeerOutlook(facts(.failed(.impossible(reason, remedy))))
            #expect(outlook.conclusion == "\(reason)" && outlook.remedy == "\(remedy)")
        }
    }

    /// There is no use in a mapped port where no UDP passes.
    @Test func whatComesFirstIsNamedFirst() {
        var facts = facts(.failed(.impossible(.bothHard, .mapPort)))
        facts.isUDPBlocked = true
        #expect(PeerOutlook(facts).remedy == "let UDP out of this network")
        facts.isUDPBlocked = false
        facts.matchmakers = [
            PeerOutlook.Matchmaker(server: "match.example:3478", isRegistered: false, problem: "no answer")
        ]
        let outlook = PeerOutlook(facts)
        #expect(outlook.conclusion == "this gateway is registered with no matchmaker: match.example:3478: no answer")
        #expect(outlook.remedy?.hasPrefix("make match.example:3478 reachable from here") == true)
        facts.hasMatchmakers = false
        facts.lastError = "no answer"
        #expect(PeerOutlook(facts).conclusion == "no answer")
        #expect(PeerOutlook(facts).remedy?.contains("dxgateway config match add") == true)
    }

    /// What theory says holds though the peer is away; what checks said may be over.
    @Test func aPeerThatIsNotListedIsLookedForThere() {
        var facts = facts(.failed(.notFound(.silence)))
        facts.isListed = false
        #expect(PeerOutlook(facts).conclusion.hasPrefix("edge-1 is not registered"))
        #expect(PeerOutlook(facts).remedy?.contains("lets no UDP out") == true)
        facts.introduction = .failed(.impossible(.bothHard, .mapPort))
        #expect(PeerOutlook(facts).remedy == "\(NATVerdict.Remedy.mapPort)")
        facts.introduction = .none
        #expect(PeerOutlook(facts).conclusion.hasPrefix("edge-1 is not registered"))
    }

    @Test func thePortThatWasNotGuessedIsTheHardSides() {
        var facts = facts(.failed(.notGuessed))
        #expect(PeerOutlook(facts).remedy?.contains("edge-1's router") == true)
        facts.isHardSideOurs = true
        #expect(PeerOutlook(facts).remedy?.contains("this network's router") == true)
    }

    /// Checks know no theory, and say where to look.
    @Test(arguments: [
        (CheckList.Failure.noLocalCandidate, "this host"), (.noRemoteCandidate, "edge-1's host"),
        (.noCommonFamily, "the other's kind of address"), (.silence, "firewalls of both"),
        (.unanswered, "firewall here"), (.unheard, "firewall of edge-1's"),
    ])
    func everyFailureOfChecksHasARemedy(_ failure: CheckList.Failure, _ words: String) {
        let outlook = PeerOutlook(facts(.failed(.notFound(failure))))
        #expect(outlook.conclusion == "\(failure)" && outlook.remedy?.contains(words) == true)
    }

    @Test func anIntroductionThatGoesOnSaysWhatIsExpected() {
        var facts = facts(.running)
        #expect(PeerOutlook(facts).conclusion == "a way is being looked for at this moment")
        facts.earlierFailure = "silence"
        #expect(PeerOutlook(facts).conclusion == "a way is being looked for at this moment; the last time: silence")
        facts.theory = .impossible(.bothHard, .mapPort)
        #expect(PeerOutlook(facts).conclusion.hasPrefix("both NATs"))
        #expect(PeerOutlook(facts).remedy == "\(NATVerdict.Remedy.mapPort)")
    }

    @Test func aWayThatWasFoundMayStillBeOfNoUse() {
        var facts = facts(.found)
        #expect(PeerOutlook(facts).remedy == nil)
        facts.lastError = "198.51.100.1:7000: no answer"
        #expect(PeerOutlook(facts).conclusion == "198.51.100.1:7000: no answer")
        #expect(PeerOutlook(facts).remedy?.contains("log of the gateway there") == true)
        #expect(PeerOutlook(self.facts(.none)).conclusion == "no introduction has been made yet")
    }
}
