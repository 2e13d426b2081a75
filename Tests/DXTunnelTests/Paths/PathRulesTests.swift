import Testing

@testable import DXTunnel

/// Which interfaces carry paths.
@Suite struct PathRulesTests {
    private static func interface(
        _ name: String, loopback: Bool = false, virtual: Bool = false, pointToPoint: Bool = false
    ) -> NetworkSnapshot.Interface {
        NetworkSnapshot.Interface(
            name: name, index: 1, isLoopback: loopback, isVirtual: virtual, isPointToPoint: pointToPoint)
    }

    @Test(arguments: [
        ("eth0", "eth0", true), ("eth0", "eth1", false), ("eth*", "eth0", true), ("eth*", "eth", true),
        ("eth*", "veth0", false), ("*", "anything", true), ("*0", "eth0", true), ("*0", "eth01", false),
        ("*0*1", "eth0a1", true), ("*0*1", "eth01", true), ("*0*1", "eth10", false), ("e?h0", "eth0", true),
        ("e?h0", "eh0", false), ("?", "", false), ("", "", true), ("", "e", false),
        ("a*a*a*b", "aaaaaaaaaaaaaa", false),
    ])
    func patterns(pattern: String, name: String, matches: Bool) {
        #expect(PathRules.Rule(pattern: pattern, preference: .primary).matches(name) == matches)
    }

    @Test(arguments: [
        ("eth0", true), ("wl*", true), ("", false), ("a/b", false), ("a:1", false), ("with space", false),
        ("sixteenbytesname", false),
    ])
    func whatCanBeAPattern(text: String, isPattern: Bool) { #expect(PathRules.isPattern(text) == isPattern) }

    @Test func withoutRulesNamesTell() {
        let rules = PathRules()
        #expect(rules.use(of: Self.interface("lo", loopback: true)) == nil)
        #expect(rules.use(of: Self.interface("enp3s0")) == PathRules.Use(preference: .primary))
        #expect(rules.use(of: Self.interface("wlan0")) == PathRules.Use(preference: .primary))
        for name in ["wwan0", "ppp0", "usb0"] {
            #expect(rules.use(of: Self.interface(name)) == PathRules.Use(preference: .backup), "\(name)")
        }
        #expect(rules.use(of: Self.interface("tun0", pointToPoint: true))?.preference == .backup)
        #expect(rules.use(of: Self.interface("docker0", virtual: true)) == PathRules.Use(preference: .backup, rank: 1))
    }

    @Test func theFirstRuleThatMatchesCounts() {
        let rules = PathRules(interfaces: [
            PathRules.Rule(pattern: "eth1", preference: nil),
            PathRules.Rule(pattern: "eth*", preference: .backup, isMetered: true),
            PathRules.Rule(pattern: "lo", preference: .primary),
        ])
        #expect(rules.use(of: Self.interface("eth1")) == nil)
        #expect(rules.use(of: Self.interface("eth0")) == PathRules.Use(preference: .backup, isMetered: true))
        #expect(rules.use(of: Self.interface("lo", loopback: true)) == PathRules.Use(preference: .primary))
    }
}
