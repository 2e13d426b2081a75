import DXWire
import Testing

@testable import DXSecure

@Suite struct MatchDTLSTests {
    private let identity = try! Identity.generate()

    /// A gateway's end that knows `pin`, and the matchmaker's, after as much of a handshake as works.
    private func run(pin: GatewayID) throws -> (MatchDTLS, MatchDTLS, MatchDTLS.Outcome, MatchDTLS.Outcome) {
        let client = try MatchDTLS(MatchDTLS.Context(pin: pin))
        let server = try MatchDTLS(MatchDTLS.Context(identity))
        var outcomes = (client.start(), MatchDTLS.Outcome.incomplete)
        for _ in 0..<6 {
            for datagram in client.takeFlight() where outcomes.1 == .incomplete {
                outcomes.1 = unsafe server.receive(datagram.span.bytes)
            }
            for datagram in server.takeFlight() where outcomes.0 == .incomplete {
                #expect(datagram.count <= 1_000)
                outcomes.0 = unsafe client.receive(datagram.span.bytes)
            }
        }
        return (client, server, outcomes.0, outcomes.1)
    }

    @Test func keysAndRecords() throws {
        let (client, server, one, other) = try run(pin: identity.gatewayID)
        #expect(one == .complete && other == .complete)
        let proof = try client.proofInput.orFail("no proof")
        #expect(server.proofInput == proof)
        let (keys, same) = (try client.keys.orFail("no keys"), try server.keys.orFail("no keys"))
        let body = Array("a request".utf8)
        let data = Array("its number".utf8)
        let sealed = unsafe try keys.seal(body.span.bytes, data: data.span.bytes, .toMatchmaker)
        #expect(unsafe same.open(sealed.span.bytes, data: data.span.bytes, .toMatchmaker) == body)
        #expect(unsafe same.open(sealed.span.bytes, data: data.span.bytes, .fromMatchmaker) == nil)
        #expect(unsafe same.open(sealed.span.bytes, data: body.span.bytes, .toMatchmaker) == nil)
        for (from, to) in [(client, server), (server, client)] {
            for number in 0..<3 {
                let message = [UInt8](repeating: UInt8(number), count: 1 + number * 100)
                let record = unsafe try from.record(of: message.span.bytes).orFail("no record")
                #expect(record.starts(with: [23, 254, 253, 0, 1]) && record.count == message.count + 13 + 24)
                var flipped = record
                flipped[flipped.count - 1] ^= 1
                #expect(unsafe to.message(of: flipped.span.bytes) == nil)
                #expect(unsafe from.message(of: record.span.bytes) == nil)
                #expect(unsafe to.message(of: record.span.bytes) == message)
                // Once.
                #expect(unsafe to.message(of: record.span.bytes) == nil)
                for count in 0..<record.count {
                    let part = Array(record.prefix(count))
                    #expect(unsafe to.message(of: part.span.bytes) == nil)
                }
            }
        }
    }

    /// Whoever has another key than the pin says is named, beside the one that was expected.
    @Test func anotherMatchmaker() throws {
        let pin = try Identity.generate().gatewayID
        let (client, server, one, other) = try run(pin: pin)
        #expect(one == .wrongPin(expected: pin, seen: identity.gatewayID))
        #expect(other != .complete)
        #expect(client.keys == nil && client.proofInput == nil && server.keys == nil)
        let message: [UInt8] = [1]
        #expect(unsafe client.record(of: message.span.bytes) == nil)
    }

    @Test func nothingBeforeTheEnd() throws {
        let client = try MatchDTLS(MatchDTLS.Context(pin: identity.gatewayID))
        #expect(client.start() == .incomplete)
        #expect(client.keys == nil && client.proofInput == nil)
        let bytes: [UInt8] = [1]
        #expect(unsafe client.record(of: bytes.span.bytes) == nil)
        #expect(unsafe client.message(of: bytes.span.bytes) == nil)
    }
}
