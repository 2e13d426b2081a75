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
}
