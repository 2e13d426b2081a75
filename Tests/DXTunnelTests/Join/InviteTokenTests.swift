import DXSecure
import DXWire
import Testing

@testable import DXTunnel

@Suite struct InviteTokenTests {
    private func token(_ addresses: [HostAddress]) throws -> InviteToken {
        InviteToken(
            inviter: try TestKeys.identity(1).publicKey, joinSeed: Array(0..<16),
            secret: try #require(TokenSecret(Array(16..<32))), addresses: addresses)
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

    /// Made by another implementation (`docs/group.md` §8).
    @Test func vector() throws {
        let text = try token([try HostAddress("192.0.2.7:7700"), try HostAddress("[2001:db8::7]:7700")]).text
        #expect(
            text
                == "dxjoin1:ASEC_Nia9lbKE5Z7KXP5CXccW4dsRQYAISf0Vpt64tif0a8CEAABAgMEBQYHCAkKC"
                + "wwNDg8DEBAREhMUFRYXGBkaGxwdHh8EBsAAAgceFAQSIAENuAAAAAAAAAAAAAAABx4UqemCOw")
        #expect(try token([]).secret.id == 0x69508dda86f29747)
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
}
