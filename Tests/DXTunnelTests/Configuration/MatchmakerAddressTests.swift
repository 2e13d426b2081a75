import DXWire
import Testing

@testable import DXTunnel

@Suite struct MatchmakerAddressTests {
    private static let pin = "fgb37qjes4oifss24kkcopsvdvwjwkhvrfwn63synvvewwjjw7va"

    @Test(arguments: ["match.example:3478", "192.0.2.1:1", "[2001:db8::5]:65535", "m:3478"])
    func isReadAsItIsWritten(_ address: String) throws {
        let matchmaker = try MatchmakerAddress("\(address)#\(Self.pin)")
        #expect(try matchmaker.address == HostAddress(address))
        #expect(matchmaker.pin.text == Self.pin)
        #expect(matchmaker.description == "\(address)#\(Self.pin)")
    }

    /// Where it is the name's SRV records say.
    @Test func aNameWithoutAPortIsAService() throws {
        let service = try MatchmakerAddress("match.example#\(Self.pin)")
        #expect(service.isService && service.address == HostAddress(host: "match.example", port: 3_478))
        #expect(service.description == "match.example#\(Self.pin)" && service.place == "match.example")
        #expect(try service != MatchmakerAddress("match.example:3478#\(Self.pin)"))
        // An address has no services.
        for (text, written) in [("192.0.2.1", "192.0.2.1:3478"), ("[2001:db8::5]", "[2001:db8::5]:3478")] {
            let address = try MatchmakerAddress("\(text)#\(Self.pin)")
            #expect(!address.isService && address.description == "\(written)#\(Self.pin)")
        }
    }

    @Test func aPinMayBeWrittenInCapitals() throws {
        let capitals = try MatchmakerAddress("m:1#\(Self.pin.uppercased())")
        #expect(try capitals == MatchmakerAddress("m:1#\(Self.pin)"))
    }

    @Test(arguments: [
        ("match.example:3478", MatchmakerAddressError.missingPin), ("match.example:3478#", .missingPin),
        ("match.example:3478#abc", .badPin), ("match.example:3478#\(pin)x", .badPin),
        ("match.example:3478#\(pin)#\(pin)", .badPin), ("match.example:#\(pin)", .address(.missingPort)),
        ("[::1]x#\(pin)", .address(.missingPort)), ("a..b#\(pin)", .address(.badHostName)),
        ("match.example:x#\(pin)", .address(.badPort)), (":3478#\(pin)", .nowhere),
        ("match.example:0#\(pin)", .nowhere),
        ("0.0.0.0:3478#\(pin)", .nowhere), ("", .address(.missingPort)), ("#", .address(.missingPort)),
    ])
    func whatIsWrongIsSaid(_ text: String, _ error: MatchmakerAddressError) {
        #expect(throws: error) { try MatchmakerAddress(text) }
        #expect(!error.description.isEmpty && !error.remedy.isEmpty)
    }

    @Test func aMissingPinSaysWhereItComesFrom() {
        #expect(MatchmakerAddressError.missingPin.remedy.contains("dxmatchd pin"))
    }
}
