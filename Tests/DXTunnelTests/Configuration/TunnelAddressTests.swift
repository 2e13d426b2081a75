import Testing

@testable import DXTunnel

/// Where a tunnel begins and ends, as people write it.
@Suite struct TunnelAddressTests {
    @Test(arguments: [
        ("127.0.0.1:80", TunnelAddress.tcp(HostAddress(host: "127.0.0.1", port: 80))),
        (":0", .tcp(HostAddress(host: "", port: 0))),
        ("my-host.example:80", .tcp(HostAddress(host: "my-host.example", port: 80))),
        ("10.0.0.5:8000-8009", .tcp(HostAddress(host: "10.0.0.5", port: 8_000), portCount: 10)),
        (":1-1024", .tcp(HostAddress(host: "", port: 1), portCount: 1_024)),
        ("[2001:db8::1]:65534-65535", .tcp(HostAddress(host: "2001:db8::1", port: 65_534), portCount: 2)),
        ("my-host.example:80-81", .tcp(HostAddress(host: "my-host.example", port: 80), portCount: 2)),
        ("unix:/run/app.sock", .unix(path: "/run/app.sock")),
        ("unix:/run/app@1/.s.PGSQL.5432", .unix(path: "/run/app@1/.s.PGSQL.5432")),
    ])
    func readsAndWrites(text: String, address: TunnelAddress) throws {
        #expect(try TunnelAddress(text) == address)
        #expect("\(address)" == text)
    }

    @Test func aRangeOfOneIsAPort() throws {
        #expect(try TunnelAddress("127.0.0.1:80-80") == .tcp(HostAddress(host: "127.0.0.1", port: 80)))
    }

    @Test(arguments: [
        ("127.0.0.1:80-79", TunnelAddressError.badRange), ("127.0.0.1:80-", .badRange), ("127.0.0.1:80-+81", .badRange),
        ("127.0.0.1:80-81-82", .badRange), ("127.0.0.1:80-65536", .badRange), (":0-9", .badRange),
        (":1-1025", .tooManyPorts(1_025)), (":1-65535", .tooManyPorts(65_535)),
        ("127.0.0.1:-80", .host(.badPort)), ("127.0.0.1", .host(.missingPort)), ("1.2.3.256:1-2", .host(.badIPv4)),
        ("unix:", .relativePath), ("unix:app.sock", .relativePath), ("unix:@app", .relativePath),
        ("unix:/run/a b", .badPath), ("unix:/run/a,mode=0666", .badPath), ("unix:/run/a\n", .badPath),
        ("unix:/run/", .crookedPath), ("unix://run/app", .crookedPath), ("unix:/", .crookedPath),
        ("unix:/run/../etc/app", .crookedPath), ("unix:/run/./app", .crookedPath),
        ("unix:/" + String(repeating: "a", count: 103), .longPath(104)),
    ])
    func refusesAllElse(text: String, error: TunnelAddressError) {
        #expect(throws: error) { _ = try TunnelAddress(text) }
        for isTarget in [true, false] { #expect(!error.remedy(isTarget: isTarget).isEmpty) }
    }

    @Test func theLongestPathIsAPath() throws {
        let path = "/" + String(repeating: "a", count: 102)
        #expect(try TunnelAddress("unix:" + path) == .unix(path: path))
        // Bytes count, not characters.
        #expect(throws: TunnelAddressError.longPath(104)) {
            _ = try TunnelAddress("unix:/" + String(repeating: "a", count: 101) + "\u{e9}")
        }
    }

    @Test func keepsThePlaceInARange() throws {
        let range = try TunnelAddress("10.0.0.5:8000-8009")
        #expect(range.portCount == 10)
        #expect("\(range.port(0))" == "10.0.0.5:8000")
        #expect("\(range.port(9))" == "10.0.0.5:8009")
        // What has one port has it for all.
        for text in ["10.0.0.5:80", "unix:/run/app.sock"] {
            let one = try TunnelAddress(text)
            #expect(one.port(7) == one && one.portCount == 1)
        }
    }

    @Test(arguments: [("0660", 0o660), ("600", 0o600), ("0777", 0o777), ("000", 0)] as [(String, UInt16)])
    func readsModes(text: String, mode: UInt16) { #expect(TunnelAddress.mode(text) == mode) }

    @Test(arguments: ["", "0", "66", "0680", "1777", "rw-", "00660", "+660", "0o660"])
    func refusesWhatIsNoMode(text: String) { #expect(TunnelAddress.mode(text) == nil) }
}
