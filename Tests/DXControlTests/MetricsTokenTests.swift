import DXTestFiles
import DXWire
import Foundation
import Testing

@testable import DXControl

@Suite struct MetricsTokenTests {
    private let directory = TemporaryDirectory()

    /// A file of the directory that only its owner may read.
    private func file(_ text: String, mode: Int = 0o600) throws -> String {
        let path = directory.file("token")
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    @Test func whoKnowsTheTokenMayRead() throws {
        let token = try MetricsToken(file: file("0123456789abcdef\n"))
        #expect(token.allows("Bearer 0123456789abcdef"))
        // RFC 9110 §11.1: schemes have no case.
        #expect(token.allows("bearer 0123456789abcdef"))
    }

    @Test(arguments: [
        nil, "", "Bearer", "Bearer ", "0123456789abcdef", "Bearer 0123456789abcdeF", "Bearer 0123456789abcdef0",
        "Bearer 0123456789abcde", "Bearer  0123456789abcdef", "Basic 0123456789abcdef", "Bearer 0123456789abcdef ",
    ]) func whoDoesNotMayNot(_ authorization: String?) throws {
        #expect(try !MetricsToken(file: file("0123456789abcdef\n")).allows(authorization))
    }

    /// What is too short to be secret, or what no header can hold.
    @Test(arguments: [
        "", "\n", "0123456789abcde", "two words of a token", "0123456789abcdef\n0123456789abcdef\n", "0123456789abcdé",
        String(repeating: "x", count: 257),
    ]) func whatIsNoToken(_ text: String) throws {
        let path = try file(text)
        let error = try #require(throws: MetricsTokenError.self) { try MetricsToken(file: path) }
        #expect("\(error)".contains(path) && "\(error)".contains("openssl rand -base64 24"))
        #expect(text.count < 8 || !"\(error)".contains(text))
    }

    @Test func aFileThatOthersReadIsRefused() throws {
        let path = try file("0123456789abcdef\n", mode: 0o640)
        let error = try #require(throws: MetricsTokenError.self) { try MetricsToken(file: path) }
        #expect("\(error)".contains("chmod 600"))
        let missing = try #require(throws: MetricsTokenError.self) { try MetricsToken(file: directory.file("none")) }
        #expect("\(missing)".contains("umask 077"))
    }
}

@Suite struct WrongTokensTests {
    private static func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func tenAtOnceThenOneASecond() {
        let wrong = WrongTokens()
        let (there, elsewhere) = (WrongTokens.Network("192.0.2.7"), WrongTokens.Network("192.0.3.7"))
        for _ in 0..<10 {
            #expect(wrong.mayTry(there, now: Self.at(1)))
            wrong.note(there, now: Self.at(1))
        }
        #expect(!wrong.mayTry(there, now: Self.at(1)))
        // To look is no try.
        #expect(wrong.mayTry(elsewhere, now: Self.at(1)) && wrong.count == 1)
        #expect(wrong.mayTry(there, now: Self.at(2)))
        wrong.note(there, now: Self.at(2))
        #expect(!wrong.mayTry(there, now: Self.at(2)))
    }

    @Test func networksNotAddressesAreCounted() {
        #expect(WrongTokens.Network("192.0.2.7") == WrongTokens.Network("::ffff:192.0.2.200"))
        #expect(WrongTokens.Network("192.0.2.7") != WrongTokens.Network("192.0.3.7"))
        #expect(WrongTokens.Network("2001:db8:1:2::1") == WrongTokens.Network("2001:db8:1:3::9"))
        #expect(WrongTokens.Network("2001:db8:1::1") != WrongTokens.Network("2001:db8:2::1"))
    }

    /// However many networks guess, the table is bounded, and those that find no place share one.
    @Test func manyNetworksAreBounded() {
        let wrong = WrongTokens()
        for number in 0..<2_000 {
            wrong.note(WrongTokens.Network("10.\(number / 256).\(number % 256).1"), now: Self.at(1))
        }
        #expect(wrong.count <= WrongTokens.mostNetworks + 1)
        #expect(!wrong.mayTry(WrongTokens.Network("203.0.113.1"), now: Self.at(1)))
        // Those that were wrong long ago give up their places.
        wrong.note(WrongTokens.Network("203.0.113.1"), now: Self.at(100))
        #expect(wrong.count == 1 && wrong.mayTry(WrongTokens.Network("203.0.114.1"), now: Self.at(100)))
    }
}
