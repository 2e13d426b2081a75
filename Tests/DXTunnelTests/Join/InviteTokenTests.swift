import DXSecure
import DXWire
import Testing

@testable import DXTunnel

@Suite struct InviteTokenTests {
    private func token(_ addresses: [HostAddress], _ matchmakers: [MatchmakerAddress] = []) throws -> InviteToken {
        InviteToken(
            inviter: try TestKeys.identity(1).publicKey, joinSeed: Array(0..<16),
            secret: try #require(TokenSecret(Array(16..<32))), addresses: addresses, matchmakers: matchmakers)
    }

    private func matchmaker(_ address: String, _ key: Int = 2) throws -> MatchmakerAddress {
        try #require(MatchmakerAddress(address: HostAddress(address), pin: TestKeys.identity(key).gatewayID))
    }

    @Test(arguments: [
        [], ["192.0.2.7:7700"], ["[2001:db8::7]:7700", "192.0.2.7:1"], ["hq.example:7700", "10.0.0.1:65535"],
    ])
    func comesBackAsItWas(_ texts: [String]) throws {
        let addresses = try texts.map { try HostAddress($0) }
        let read = try InviteToken(try token(addresses).text)
        #expect(try read.inviter == TestKeys.identity(1).publicKey)
        #expect(read.joinSeed == Array(0..<16))
        #expect(read.secret.bytes == Array(16..<32))
        #expect(Set(read.addresses) == Set(addresses))
    }

    @Test func aServiceOfANameComesBackAsItWas() throws {
        let pin = try TestKeys.identity(2).gatewayID
        let both = [try MatchmakerAddress("match.example#\(pin)"), try MatchmakerAddress("match.example:3478#\(pin)")]
        #expect(try InviteToken(try token([], both).text).matchmakers == both)
    }

    /// Made by another implementation (`docs/group.md` §8).
    @Test func vector() throws {
        let text = try token([try HostAddress("192.0.2.7:7700"), try HostAddress("[2001:db8::7]:7700")]).text
        #expect(
            text
                == "dxjoin1:ASEC_Nia9lbKE5Z7KXP5CXccW4dsRQYAISf0Vpt64tif0a8CEAABAgMEBQYHCAkKC"
                + "wwNDg8DEBAREhMUFRYXGBkaGxwdHh8EBsAAAgceFAQSIAENuAAAAAAAAAAAAAAABx4UqemCOw")
        #expect(try token([]).secret.id == 0x69508dda86f29747)
    }

    /// Made by another implementation (`docs/group.md` §8).
    @Test func vectorWithMatchmakers() throws {
        let matchmakers = [try matchmaker("match.example:3478", 2), try matchmaker("[2001:db8::5]:3478", 3)]
        let token = try token([try HostAddress("192.0.2.7:7700")], matchmakers)
        #expect(
            token.text
                == "dxjoin1:ASEC_Nia9lbKE5Z7KXP5CXccW4dsRQYAISf0Vpt64tif0a8CEAABAgMEBQYHCAkKCwwNDg8DEBAREhMUFRYXGBkaGxwd"
                + "Hh8EBsAAAgceFAcvKYO_wSSXHILKWuKUJz5VHWybKPWJbN9uWG1qS1kpt-"
                + "oNlm1hdGNoLmV4YW1wbGUGMtPyxqewBDDfnFsU6ZNpxu8Omxb711BubbrAMzfVqXfCIAENuAAAAAAAAAAAAAAABQ2WwYVPEA")
        let read = try InviteToken(token.text)
        #expect(read.matchmakers.count == 2 && Set(read.matchmakers) == Set(matchmakers))
        #expect(try read.addresses == [HostAddress("192.0.2.7:7700")])
    }

    /// Two by name go with an address that anybody can reach, whatever else the gateway has; a third is left out.
    @Test func tellsTwoMatchmakersByName() throws {
        let names = ["match-1.plant.example:3478", "match-2.plant.example:3478", "match-3.plant.example:3478"]
        let matchmakers = try names.map { try matchmaker($0) }
        let addresses = try ["10.0.0.7:7700", "192.168.1.7:7700", "203.0.113.7:7700", "[fd00::7]:7700"].map {
            try HostAddress($0)
        }
        let text = try token(addresses, matchmakers).text
        #expect(text.utf8.count <= InviteToken.longestText)
        let read = try InviteToken(text)
        #expect(read.matchmakers == Array(matchmakers.prefix(2)))
        #expect(read.addresses.contains(addresses[2]))
        // Without matchmakers there is room for all.
        #expect(try InviteToken(try token(addresses).text).addresses.count == 4)
    }

    /// One whose name is too long leaves its place to the next.
    @Test func leavesOutWhatIsTooLong() throws {
        let long = try matchmaker("\(String(repeating: "a", count: 60)).\(String(repeating: "b", count: 60)).example:1")
        let next = try matchmaker("192.0.2.9:3478")
        let made = try token([try HostAddress("203.0.113.7:7700")], [long, next])
        #expect(made.matchmakers == [next] && made.addresses.count == 1)
        #expect(made.text.utf8.count <= InviteToken.longestText)
    }

    /// Whatever a gateway has, its token is no longer than it may be, is read as it was made, and tells of an address and a
    /// matchmaker where each is short enough.
    @Test(arguments: 1...40 as ClosedRange<UInt64>) func anyMixtureFits(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        func address() throws -> String {
            switch random.below(4) {
            case 0: "10.0.0.\(random.below(256)):\(1 + random.below(65_535))"
            case 1: "203.0.113.\(random.below(256)):7700"
            case 2: "[2001:db8::\(1 + random.below(99))]:7700"
            default: "\(String(repeating: "n", count: Int(1 + random.below(30)))).example:3478"
            }
        }
        for _ in 0..<50 {
            let addresses = try (0..<random.below(8)).map { _ in try HostAddress(try address()) }
            let matchmakers = try (0..<random.below(5)).map { _ in try matchmaker(try address()) }
            let made = try token(addresses, matchmakers)
            #expect(made.text.utf8.count <= InviteToken.longestText)
            let read = try InviteToken(made.text)
            #expect(read.addresses == made.addresses && read.matchmakers == made.matchmakers)
            #expect(made.addresses.isEmpty == addresses.isEmpty && made.matchmakers.isEmpty == matchmakers.isEmpty)
        }
    }

    @Test func tellsAsManyAddressesAsFit() throws {
        let many = (1..<9).map { HostAddress(host: "2001:db8::\($0)", port: 7_700) }
        let text = try token(many).text
        #expect(text.utf8.count <= InviteToken.longestText)
        #expect(try InviteToken(text).addresses == Array(many.prefix(3)))
        let names = (0..<9).map { HostAddress(host: "gateway-\($0).plant.example", port: 7_700) }
        #expect(try token(names).text.utf8.count <= InviteToken.longestText)
    }

    /// Whatever character is changed, left out or doubled, the token is refused: nobody waits for an answer to a typing
    /// error.
    @Test func anyTypingErrorIsFound() throws {
        let text = Array(try token([try HostAddress("192.0.2.7:7700")]).text)
        for index in text.indices {
            var changed = text
            changed[index] = text[index] == "x" ? "y" : "x"
            #expect(throws: InviteToken.Refusal.self) { try InviteToken(String(changed)) }
            changed.remove(at: index)
            #expect(throws: InviteToken.Refusal.self) { try InviteToken(String(changed)) }
        }
    }

    @Test func noTextTraps() {
        var random = RandomSource(seed: 4)
        for _ in 0..<2_000 {
            let bytes = (0..<Int(random.below(120))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let content = bytes
            let checksum = unsafe Bytes32(sha256: content.span.bytes).bytes.prefix(4)
            _ = try? InviteToken(InviteToken.prefix + Base64URL.text(content + checksum))
        }
    }

    /// What is no matchmaker makes no token; what a newer version adds is skipped.
    @Test func otherFields() throws {
        func read(_ number: UInt64, _ value: [UInt8]) throws -> InviteToken {
            var fields = RecordFields()
            fields.add(1, try TestKeys.identity(1).publicKey.bytes)
            fields.add(2, Array(0..<16))
            fields.add(3, Array(16..<32))
            fields.add(number, value)
            let content = fields.encoded
            let checksum = unsafe Bytes32(sha256: content.span.bytes).bytes.prefix(4)
            return try InviteToken(InviteToken.prefix + Base64URL.text(content + checksum))
        }
        let pin = try TestKeys.identity(2).gatewayID.bytes
        #expect(try read(6, pin + [192, 0, 2, 7, 1, 2]).matchmakers.first?.address.port == 258)
        for value in [[], pin, pin + [192, 0, 2, 7], pin + [192, 0, 2, 7, 0, 0], pin + [0, 0, 0, 0, 1, 2]] {
            #expect(throws: InviteToken.Refusal.damaged) { try read(6, value) }
        }
        for value in [[], pin, pin + [1, 2], pin + [1, 2, 0xff], pin + [1, 2] + Array("a b".utf8)] {
            #expect(throws: InviteToken.Refusal.damaged) { try read(7, value) }
        }
        #expect(try read(99, [1, 2, 3]).matchmakers.isEmpty)
    }
}
