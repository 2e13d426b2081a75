import DXWire
import Testing

@testable import DXMatch

/// The codecs of PCP and NAT-PMP against bytes written out by hand from the RFCs' pictures.
@Suite struct PortMappingMessageTests {
    static let nonce = PCPNonce(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c)
    static let local = Endpoint(v4: 0xc0a8_010a, port: 0)

    // MARK: PCP

    /// RFC 6887 §7.1 (Figure 2) and §11.1 (Figure 9): UDP port 7700 of 192.168.1.10, two hours.
    @Test func aMapRequestOfPCP() {
        let job = MappingJob(port: 7_700, wanted: Endpoint(v4: 0, port: 7_700), lifetime: 7_200)
        let expected = Hex.bytes(
            """
            02 01 0000 00001c20 00000000000000000000ffffc0a8010a
            0102030405060708090a0b0c 11 000000 1e14 1e14 00000000000000000000ffff00000000
            """)
        #expect(PCPRequest(client: Self.local, nonce: Self.nonce, job: job).bytes == expected)
    }

    @Test func aMapRequestOfIPv6AsksForAnyAddressOfItsFamily() {
        let client = Endpoint(v6High: 0x2001_0db8_0000_0000, low: 0x10, port: 0)
        let job = MappingJob(port: 7_700, wanted: Endpoint(v4: 0, port: 0), lifetime: 0)
        let expected = Hex.bytes(
            """
            02 01 0000 00000000 20010db8000000000000000000000010
            0102030405060708090a0b0c 11 000000 1e14 0000 00000000000000000000000000000000
            """)
        #expect(PCPRequest(client: client, nonce: Self.nonce, job: job).bytes == expected)
    }

    /// RFC 6887 §7.2 (Figure 3) and §11.1 (Figure 10).
    static let granted = Hex.bytes(
        """
        02 81 00 00 00000e10 00000064 000000000000000000000000
        0102030405060708090a0b0c 11 000000 1e14 9c40 00000000000000000000ffffcb00710a
        """)

    @Test func aMapResponseOfPCP() throws {
        let response = try PCPResponse(reading: Self.granted.raw)
        #expect(response.version == 2 && response.result == 0 && response.lifetime == 3_600 && response.epoch == 100)
        #expect(
            response.content
                == .map(
                    nonce: Self.nonce, transport: 17, internalPort: 7_700,
                    external: Endpoint(v4: 0xcb00_710a, port: 40_000)))
    }

    /// RFC 6887 §14.1: an announcement is a header alone.
    @Test func anAnnouncementOfPCP() throws {
        let bytes = Hex.bytes("02 80 00 00 00000000 00000007 000000000000000000000000")
        let response = try PCPResponse(reading: bytes.raw)
        #expect(response.content == .announce && response.epoch == 7)
    }

    /// RFC 6887 Appendix A, RFC 6886 §3.5: a NAT-PMP server refuses version 2 in version 0; a PCP server of a draft in 1.
    @Test(arguments: ["00 81 0001 00000064", "00 80 0001 00000064", "00 81 0001", "01 81 00 01 00000000"])
    func theRefusalOfAnotherVersion(text: String) throws {
        let response = try PCPResponse(reading: Hex.bytes(text).raw)
        #expect(response.version != 2 && response.result == PCPResult.unsupportedVersion)
    }

    @Test(arguments: [
        "", "02", "0281", "02 01 00 00 00000e10 00000064 000000000000000000000000",  // a request
        "00 81 0000 00000064",  // success of a version that we did not speak
        "02 81 00 00 00000e10 00000064 0000000000000000000000",  // 23 bytes
        "02 81 00 00 00000e10 00000064 00000000000000000000000000",  // no multiple of four
        "02 81 00 00 00000e10 00000064 000000000000000000000000",  // success without a mapping
        "02 82 00 00 00000e10 00000064 000000000000000000000000",  // PEER
    ])
    func whatIsNoResponseOfPCP(text: String) {
        #expect(throws: DecodeError.self) { try PCPResponse(reading: Hex.bytes(text).raw) }
    }

    @Test func aResponseLongerThanPCPAllowsIsRefused() {
        let long = Self.granted + [UInt8](repeating: 0, count: 1_100)
        #expect(throws: DecodeError.self) { try PCPResponse(reading: long.raw) }
    }

    // MARK: NAT-PMP

    /// RFC 6886 §3.2, §3.3.
    @Test func requestsOfNATPMP() {
        #expect(NATPMPRequest.externalAddress.bytes == [0, 0])
        let map = NATPMPRequest.map(internalPort: 7_700, externalPort: 40_000, lifetime: 7_200)
        #expect(map.bytes == Hex.bytes("00 01 0000 1e14 9c40 00001c20"))
    }

    @Test func responsesOfNATPMP() throws {
        let address = try NATPMPResponse(reading: Hex.bytes("00 80 0000 00000064 cb00710a").raw)
        #expect(address.result == 0 && address.epoch == 100 && address.content == .externalAddress(0xcb00_710a))
        let map = try NATPMPResponse(reading: Hex.bytes("00 81 0000 00000065 1e14 9c40 00000e10").raw)
        #expect(map.epoch == 101)
        #expect(map.content == .map(.init(internalPort: 7_700, externalPort: 40_000, lifetime: 3_600)))
    }

    @Test(arguments: [
        ("00 81 0002 00000065 1e14 0000 00000000", PortMappingFailure.notAuthorized),
        ("00 80 0003 00000065 00000000", .noExternalAddress), ("00 80 0001 00000065", .unsupportedVersion),
        ("00 81 0004", .noResources), ("00 81 0005", .refused(5)),
    ])
    func refusalsOfNATPMP(text: String, failure: PortMappingFailure) throws {
        let response = try NATPMPResponse(reading: Hex.bytes(text).raw)
        #expect(NATPMPResponse.failure(response.result) == failure)
    }

    @Test(arguments: [
        "", "00", "0000", "00 80 0000 00000064", "00 81 0000 00000065 1e14 9c40",
        "00 82 0000 00000065 1e14 9c40 00000e10",
        "02 80 0000 00000064 cb00710a",
    ])
    func whatIsNoResponseOfNATPMP(text: String) {
        #expect(throws: DecodeError.self) { try NATPMPResponse(reading: Hex.bytes(text).raw) }
    }

    // MARK: Epochs

    /// What is said of epochs, each with the second in which it came.
    private func continues(
        _ seen: [(UInt32, Int64)], _ rule: (inout RouterEpoch, UInt32, Instant) -> Bool
    ) -> [Bool] {
        var epoch = RouterEpoch()
        return seen.map { rule(&epoch, $0.0, .zero + .seconds(1_000 + $0.1)) }
    }

    /// RFC 6887 §8.5.
    @Test(arguments: [
        (100, 100, true), (103, 100, true), (97, 100, true), (60, 100, false), (150, 100, false), (0, 100, false),
    ])
    func theEpochOfPCP(later: UInt32, seconds: Int64, isSame: Bool) {
        let seen = continues([(1_000, 0), (1_000 + later, seconds)]) { $0.continuesPCP($1, now: $2) }
        #expect(seen == [true, isSame])
    }

    @Test func anEpochOfPCPThatGoesBackASecondContinues() {
        let seen = continues([(1_000, 0), (999, 0), (997, 0), (997, 0)]) { $0.continuesPCP($1, now: $2) }
        #expect(seen == [true, true, false, true])
    }

    /// RFC 6886 §3.6: only what is behind tells of a restart.
    @Test func theEpochOfNATPMP() {
        let seen = continues([
            (1_000, 0), (1_086, 100), (9_000, 200), (9_050, 300), (3, 400), (.max, 500), (.max, 501),
        ]) { $0.continuesNATPMP($1, now: $2) }
        #expect(seen == [true, true, true, false, false, true, true])
    }
}
