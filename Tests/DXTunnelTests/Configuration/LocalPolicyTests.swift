import DXWire
import Testing

@testable import DXTunnel

/// What the owner of a gateway lets its group do with it.
@Suite struct LocalPolicyTests {
    private func endpoint(_ text: String) throws -> Endpoint { try #require(try HostAddress(text).endpoint) }

    @Test(arguments: [
        ("127.0.0.1:22", ["127.0.0.1:22"], ["127.0.0.1:23", "127.0.0.2:22", "[::1]:22"]),
        ("10.0.0.0/8:8000-8999", ["10.1.2.3:8000", "10.255.0.0:8999"], ["10.1.2.3:7999", "11.0.0.0:8000"]),
        ("[2001:db8::/32]:443", ["[2001:db8::1]:443"], ["[2001:db9::1]:443", "[2001:db8::1]:444"]),
        ("2001:db8::1", ["[2001:db8::1]:1"], ["[2001:db8::2]:1"]),
        ("192.0.2.7", ["192.0.2.7:1", "192.0.2.7:65535"], ["192.0.2.8:1"]),
        ("*:443", ["192.0.2.7:443", "[::1]:443"], ["192.0.2.7:80"]),
        ("*", ["192.0.2.7:443", "[::1]:1"], []),
    ])
    func rulesAllowWhatTheySay(rule: String, allowed: [String], refused: [String]) throws {
        let policy = LocalPolicy(targets: [try #require(LocalPolicy.Rule(rule))])
        for text in allowed { #expect(policy.allowsTarget(try endpoint(text)), "\(rule) allows \(text)") }
        for text in refused { #expect(!policy.allowsTarget(try endpoint(text)), "\(rule) refuses \(text)") }
        #expect(policy.allowsListener(try endpoint("127.0.0.1:1")))
    }

    @Test(arguments: [
        "", ":22", "host:22", "127.0.0.1:", "127.0.0.1:0-", "127.0.0.1:9-8", "127.0.0.1:65536", "10.0.0.1/8:1",
        "[::1", "[::1]22", "127.0.0.1:1-2-3", "*:*", "unix:", "unix:run", "unix:/run/../x", "unix:*/x", "unix:/run//",
    ])
    func nothingElseIsARule(text: String) { #expect(LocalPolicy.Rule(text) == nil, "\(text)") }

    @Test func anEmptyListAllowsNothing() throws {
        let policy = LocalPolicy(targets: [], listeners: [])
        let any = try endpoint("127.0.0.1:1")
        #expect(!policy.allowsTarget(any) && !policy.allowsListener(any))
    }

    /// A list that names no unix socket allows none, and one that names no address none of these.
    @Test(arguments: [
        ("unix:/run/app.sock", ["/run/app.sock"], ["/run/app.sock2", "/run/app"]),
        ("unix:/run/app/", ["/run/app/a", "/run/app/b/c"], ["/run/app", "/run/application/a", "/run/other"]),
        ("unix:*", ["/run/app", "/a"], []),
        ("*", [], ["/run/app"]), ("127.0.0.1", [], ["/run/app"]),
    ])
    func unixSocketsAreAllowedByTheirPaths(rule: String, allowed: [String], refused: [String]) throws {
        let rule = try #require(LocalPolicy.Rule(rule))
        let policy = LocalPolicy(targets: [rule], listeners: [rule])
        for path in allowed {
            #expect(policy.allowsTarget(.unix(path: path)) && policy.allowsListener(unixSocket: path), "\(path)")
        }
        for path in refused {
            #expect(!policy.allowsTarget(.unix(path: path)) && !policy.allowsListener(unixSocket: path), "\(path)")
        }
        if rule.description.hasPrefix("unix:") { #expect(!policy.allowsTarget(try endpoint("127.0.0.1:1"))) }
        #expect(LocalPolicy().allowsTarget(.unix(path: "/run/app")))
    }

    @Test(arguments: [("10.0.0.5:8000-8009", true), ("10.0.0.5:8001-8010", false), ("10.0.0.5:7999-8000", false)])
    func aRangeIsAllowedWhenAllOfItIs(range: String, isAllowed: Bool) throws {
        let policy = LocalPolicy(targets: [try #require(LocalPolicy.Rule("10.0.0.0/8:8000-8009"))])
        #expect(policy.allowsTarget(try TunnelAddress(range)) == isAllowed)
    }
}
