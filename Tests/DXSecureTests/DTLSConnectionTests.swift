import CDXOpenSSL
import DXWire
import Testing

@testable import DXSecure

@Suite struct DTLSConnectionTests {
    private let first = try! Identity.generate()
    private let second = try! Identity.generate()

    private func connections(
        clientExpects: GatewayID? = nil, serverExpects: GatewayID? = nil
    ) throws -> (DTLSConnection, DTLSConnection) {
        (
            try DTLSConnection(
                DTLSContext(first, prefersChaCha: nil), isInitiator: true, peer: clientExpects ?? second.gatewayID),
            try DTLSConnection(
                DTLSContext(second, prefersChaCha: nil), isInitiator: false, peer: serverExpects ?? first.gatewayID)
        )
    }

    @Test func handshake() throws {
        let (client, server) = try connections()
        #expect(client.cipherName == nil)
        #expect(ConnectionRun.handshake(client, server) == (.complete, .complete))
        #expect(client.cipherName == server.cipherName && client.cipherName != nil)
    }

    /// Sending a flight again byte for byte needs each flight to be one datagram: see `SessionHandshake`.
    @Test func eachFlightIsOneSmallDatagram() throws {
        let (client, server) = try connections()
        #expect(client.start() == .incomplete)
        var sizes: [Int] = []
        for round in 0..<2 {
            let up = client.takeFlight()
            #expect(up.count == 1)
            let outcome = server.receive(up[0])
            let down = server.takeFlight()
            #expect(down.count == 1)
            #expect(outcome == (round == 1 ? .complete : .incomplete))
            #expect(client.receive(down[0]) == (round == 1 ? .complete : .incomplete))
            sizes += [up[0].count, down[0].count]
        }
        #expect(client.takeFlight().isEmpty && server.takeFlight().isEmpty)
        for size in sizes { #expect(size <= SecureConstants.handshakeDatagram) }
        #expect(sizes[0] <= 150)
    }

    @Test func theClientRefusesAnotherServer() throws {
        let (client, server) = try connections(clientExpects: Identity.generate().gatewayID)
        let (outcome, other) = ConnectionRun.handshake(client, server)
        #expect(outcome == .failed(.wrongPeerKey))
        guard case .failed(.dtls) = other else { throw TestFailure("the server hears of it by an alert: \(other)") }
    }

    @Test func theServerRefusesAnotherClient() throws {
        let (client, server) = try connections(serverExpects: Identity.generate().gatewayID)
        let (outcome, other) = ConnectionRun.handshake(client, server)
        guard case .failed(.dtls) = outcome else { throw TestFailure("the client hears of it by an alert: \(outcome)") }
        #expect(other == .failed(.wrongPeerKey))
    }

    /// A record that arrives twice, or is damaged, does not disturb the handshake.
    @Test func duplicatesAndDamage() throws {
        let (client, server) = try connections()
        #expect(client.start() == .incomplete)
        let up = client.takeFlight()[0]
        #expect(server.receive([UInt8](repeating: 0xa5, count: 300)) == .incomplete)
        #expect(server.receive([UInt8]()) == .incomplete)
        #expect(server.receive(up) == .incomplete)
        #expect(server.receive(up) == .incomplete)
        let down = server.takeFlight()
        #expect(down.count == 1)
        for count in stride(from: 0, to: 13, by: 1) {
            #expect(client.receive(Array(down[0].prefix(count))) == .incomplete)
        }
        #expect(client.receive(down[0]) == .incomplete)
        #expect(client.receive(down[0]) == .incomplete)
        let up2 = client.takeFlight()
        #expect(up2.count == 1)
        #expect(server.receive(up2[0]) == .complete)
        #expect(client.receive(server.takeFlight()[0]) == .complete)
    }

    /// Without the extended master secret OpenSSL would go on; we do not.
    @Test func needsTheExtendedMasterSecret() throws {
        let context = try DTLSContext(first, prefersChaCha: nil)
        // SSL_OP_NO_EXTENDED_MASTER_SECRET, a macro.
        _ = unsafe SSL_CTX_set_options(context.pointer, 1)
        let client = try DTLSConnection(context, isInitiator: true, peer: second.gatewayID)
        let server = try connections().1
        #expect(ConnectionRun.handshake(client, server).1 == .failed(.weakHandshake))
    }

    @Test func certificateLastsForever() throws {
        let certificate = try unsafe dx_certificate(first.key).orFail("no certificate")
        defer { unsafe X509_free(certificate) }
        #expect(unsafe X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0)
        #expect(unsafe X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0)
        #expect(unsafe X509_verify(certificate, first.key) == 1)
    }
}
