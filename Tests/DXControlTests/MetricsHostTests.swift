import Testing

@testable import DXControl

@Suite struct MetricsHostTests {
    @Test(arguments: [
        nil, "", "127.0.0.1:9478", "127.0.0.1", "[::1]:9478", "[::1]", "localhost:9478", "LocalHost",
        "edge.localhost:80",
        "192.0.2.1:9478",
    ]) func thisHostIsMeant(_ authority: String?) {
        #expect(MetricsHost(isOnLoopback: true).allows(authority))
    }

    /// Names that somebody else may have lead to the loopback.
    @Test(arguments: [
        "evil.example:9478", "evil.example", "localhost.evil.example", "notlocalhost:1", "127.0.0.1.evil.example:9478",
        "[evil]:9478", "::1", "1.2.3:80",
    ]) func anotherNameIsNot(_ authority: String) {
        #expect(!MetricsHost(isOnLoopback: true).allows(authority))
        #expect(MetricsHost(isOnLoopback: false).allows(authority))
    }

    /// Names that the file gives it are its own, on loopback and beyond; then no other is.
    @Test(arguments: [true, false]) func namesOfTheFileAreItsOwn(_ isOnLoopback: Bool) {
        let guardian = MetricsHost(isOnLoopback: isOnLoopback, names: ["edge-1.example"])
        for authority in ["edge-1.example:9478", "EDGE-1.example", "192.0.2.1:9478", "localhost"] {
            #expect(guardian.allows(authority), "\(authority)")
        }
        for authority in ["evil.example:9478", "edge-1.example.evil.example", "example"] {
            #expect(!guardian.allows(authority), "\(authority)")
        }
    }
}
