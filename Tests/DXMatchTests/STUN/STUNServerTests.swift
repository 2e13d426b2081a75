import DXWire
import Testing

@testable import DXMatch

/// The STUN server (`docs/matchmaking.md` §5).
@Suite struct STUNServerTests {
    private static let here = Endpoint(v4: 0xcb00_7101, port: 3478)
    private static let there = Endpoint(v4: 0xcb00_7102, port: 1)
    private static let client = Endpoint(v4: 0xc000_0201, port: 5_000)
    private static let transaction = TransactionID(high: 7, low: 8)
    private static let four = STUNServer.Sockets(primary: here, alternatePort: 3479, alternateAddress: there)

    private final class Lab {
        var server: STUNServer
        var now = Instant.zero + .seconds(50)

        init(_ sockets: STUNServer.Sockets = STUNServerTests.four, software: String = "dxmatchd") {
            server = STUNServer(sockets, software: software, seed: Block32(1, 2, 3, 4))
        }

        /// What is answered, and from which socket.
        func send(_ bytes: [UInt8], from: Endpoint = STUNServerTests.client, at socket: STUNChange = [])
            throws(STUNServer.Drop) -> (socket: STUNChange, bytes: [UInt8])
        {
            var drop: STUNServer.Drop?
            var leaving = STUNChange()
            let answer = Written.bytes(capacity: STUNServer.maximumAnswer) { output in
                do throws(STUNServer.Drop) {
                    leaving = try server.receive(bytes.raw, from: from, at: socket, into: &output, now: now)
                } catch { drop = error }
            }
            if let drop {
                #expect(answer.isEmpty)
                throw drop
            }
            #expect(answer.count <= bytes.count + STUNServer.maximumGrowth + (bytes.count > 20 ? 8 : 0))
            return (leaving, answer)
        }
    }

    private func request(_ change: STUNChange? = nil, fingerprint: Bool = false, padding: Int = 0) -> [UInt8] {
        var message = STUNMessage(kind: .request, transaction: Self.transaction)
        message.changeRequest = change
        message.hasFingerprint = fingerprint
        let text = [UInt8](repeating: 0x20, count: padding)
        return Written.bytes { message.write(software: text.raw, to: &$0) }
    }

    private func read(_ bytes: [UInt8]) throws -> STUNMessage { try STUNMessage(reading: bytes.raw) }

    @Test func aBareRequestGetsWhatTheRFCsDemand() throws {
        let lab = Lab()
        let (socket, bytes) = try lab.send(request())
        let answer = try read(bytes)
        #expect(socket == [] && answer.kind == .success && answer.transaction == Self.transaction)
        #expect(answer.xorMappedAddress == Self.client && answer.responseOrigin == Self.here)
        #expect(answer.otherAddress == Endpoint(v4: 0xcb00_7102, port: 3479))
        #expect(answer.mappedAddress == nil && answer.software == nil && !answer.hasFingerprint)
        #expect(bytes.count == 20 + 3 * 12)
    }

    @Test func theRestIsForWhoSendsAsMuch() throws {
        let lab = Lab()
        let (_, bytes) = try lab.send(request(fingerprint: true, padding: 100))
        let answer = try read(bytes)
        #expect(answer.mappedAddress == Self.client && answer.hasFingerprint)
        let software = try #require(answer.software)
        #expect(String(decoding: bytes[software], as: UTF8.self) == "dxmatchd")
        #expect(try read(try Lab(software: "").send(request(padding: 100)).bytes).software == nil)
    }

    @Test(arguments: [[], .port, .address, [.port, .address]] as [STUNChange])
    func everySocketAnswersFromEveryOther(socket: STUNChange) throws {
        for change in [[], .port, .address, [.port, .address]] as [STUNChange] {
            let lab = Lab()
            let (leaving, bytes) = try lab.send(request(change), at: socket)
            let answer = try read(bytes)
            #expect(leaving == socket.symmetricDifference(change))
            let isThere = leaving.contains(.address)
            let port: UInt16 = leaving.contains(.port) ? 3479 : 3478
            #expect(answer.responseOrigin == (isThere ? Self.there : Self.here).withPort(port))
            let isOtherHere = socket.contains(.address)
            let otherPort: UInt16 = socket.contains(.port) ? 3478 : 3479
            #expect(answer.otherAddress == (isOtherHere ? Self.here : Self.there).withPort(otherPort))
        }
    }

    @Test func whatCannotBeChangedIsNotUnderstood() throws {
        let portOnly = STUNServer.Sockets(primary: Self.here, alternatePort: 3479)
        for (sockets, change, isServed) in [
            (STUNServer.Sockets(primary: Self.here), .port, false), (STUNServer.Sockets(primary: Self.here), [], true),
            (portOnly, .port, true), (portOnly, .address, false), (portOnly, [.port, .address], false),
        ] as [(STUNServer.Sockets, STUNChange, Bool)] {
            let (socket, bytes) = try Lab(sockets).send(request(change))
            let answer = try read(bytes)
            if isServed {
                #expect(socket == change && answer.kind == .success && answer.otherAddress == nil)
            } else {
                #expect(socket == [] && answer.kind == .failure && answer.errorCode == 420)
                #expect(answer.unknownAttributes.count == 1 && answer.unknownAttributes[0] == 0x0003)
            }
        }
    }

    @Test func whatIsNotUnderstoodIsNamed() throws {
        // ICE's attributes, RESPONSE-PORT, PADDING: none of them makes the server send elsewhere, or more.
        let answer = try read(try Lab().send(STUNMessageTests.sampleRequest).bytes)
        #expect(answer.errorCode == 420 && answer.hasFingerprint)
        #expect(answer.unknownAttributes.count == 1 && answer.unknownAttributes[0] == 0x0024)
        for type in ["0027", "0026"] {
            let bytes = Hex.bytes("00010008 2112a442 000000000000000000000000 \(type)0004 00500000")
            let answer = try read(try Lab().send(bytes).bytes)
            #expect(answer.kind == .failure && Hex.text([0, UInt8(answer.unknownAttributes[0])]) == type)
        }
    }

    @Test func bothFamiliesAreServed() throws {
        let sockets = STUNServer.Sockets(
            primary: Endpoint(v6High: 0x2001_0db8_0000_0000, low: 1, port: 3478), alternatePort: 3479,
            alternateAddress: Endpoint(v6High: 0x2001_0db8_0000_0000, low: 2, port: 0))
        let (_, bytes) = try Lab(sockets).send(request(), from: STUNMessageTests.v6)
        let answer = try read(bytes)
        #expect(answer.xorMappedAddress == STUNMessageTests.v6 && bytes.count == 20 + 3 * 24)
        #expect(answer.otherAddress == Endpoint(v6High: 0x2001_0db8_0000_0000, low: 2, port: 3479))
    }

    @Test func onlyRequestsAreAnswered() {
        let lab = Lab()
        for bytes in [STUNMessageTests.sampleIPv4Response, [], [0], [UInt8](repeating: 0, count: 20)] {
            #expect(throws: STUNServer.Drop.notARequest) { try lab.send(bytes) }
        }
        let indication = Hex.bytes("00110000 2112a442 000000000000000000000000")
        #expect(throws: STUNServer.Drop.notARequest) { try lab.send(indication) }
        for source in [
            Endpoint(v4: 0xc000_0201, port: 0), Endpoint(v4: 0xffff_ffff, port: 1), Endpoint(v4: 0, port: 1),
        ] {
            #expect(throws: STUNServer.Drop.unusableSource) { try lab.send(request(), from: source) }
        }
        #expect(lab.server.answered == 0 && lab.server.dropped == 8)
    }

    @Test func aPrefixGetsTenASecond() throws {
        let lab = Lab()
        for _ in 0..<20 { _ = try lab.send(request()) }
        #expect(throws: STUNServer.Drop.rateLimited) { try lab.send(request()) }
        let neighbour = Endpoint(v4: 0xc000_02ff, port: 1)
        #expect(throws: STUNServer.Drop.rateLimited) { try lab.send(request(), from: neighbour) }
        _ = try lab.send(request(), from: Endpoint(v4: 0xc000_0301, port: 1))
        lab.now += .milliseconds(100)
        _ = try lab.send(request())
        #expect(throws: STUNServer.Drop.rateLimited) { try lab.send(request()) }
    }

    /// Whatever comes, the answer has its bound and can be read.
    @Test func noiseGetsNoMoreThanARequest() {
        var random = RandomSource(seed: 9)
        let lab = Lab()
        let seeds = [request(), request(.port, fingerprint: true, padding: 40), STUNMessageTests.sampleRequest]
        var served = 0
        for _ in 0..<5_000 {
            lab.now += .milliseconds(100)
            var bytes = seeds[Int(random.below(3))]
            for _ in 0..<random.below(3) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let answer = try? lab.send(bytes) else { continue }
            served += 1
            #expect((try? read(answer.bytes)) != nil)
        }
        #expect(served > 1_000)
    }
}
