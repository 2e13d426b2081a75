import CDXOpenSSL
import DXWire
import Testing

@testable import DXSecure

/// Sessions come and go for years in one process: nothing of OpenSSL's may stay behind. Other tests run beside these
/// and hold a few sessions, so the bound is not zero, but far below what is made here; one after the other, as each makes many.
@Suite(.serialized) struct LeakTests {
    private static let bound = 200
    /// Handshakes, and keys that came out of them.
    private static var live: Int { Int(dx_dtls_live() + dx_records_live()) }

    /// Whether no more is left than other tests may hold. What they hold goes with them, what leaked stays: ten seconds, on an idle
    /// machine.
    private static func isLittleLeft(of before: Int) async throws -> Bool {
        for _ in 0..<1_000 {
            if live - before < bound { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    @Test func abandonedHandshakes() async throws {
        let before = Self.live
        for round in 0..<20 {
            let pair = try Pair()
            pair.fate = { _ in [] }
            for _ in 0..<100 {
                let session = try pair.connect()
                if round % 2 == 0 { session.close() }
            }
            pair.settle()
            if round % 3 == 0 { while pair.step() {} }
        }
        #expect(try await Self.isLittleLeft(of: before))
    }

    @Test func establishedAndFailed() async throws {
        var configuration = SecureConfiguration()
        configuration.signatureCheckBurst = 10_000
        let pair = try Pair(configuration)
        let before = Self.live
        for round in 0..<400 {
            weak var connection: DTLSSession?
            do {
                let (a, b) = try pair.establish()
                connection = a
                if round % 2 == 0 {
                    a.close()
                    b.close()
                }
            }
            pair.now += .seconds(10)
            pair.a.secure.timeoutFired(now: pair.now)
            pair.b.secure.timeoutFired(now: pair.now)
            #expect(connection == nil)
        }
        #expect(try await Self.isLittleLeft(of: before))
        #expect(pair.a.secure.sessions.isEmpty && pair.b.secure.sessions.isEmpty)
    }

    /// A closed session frees its association at once, though something may still hold the session.
    @Test func closeFreesAtOnce() throws {
        let pair = try Pair()
        let identities = [pair.a.identity, pair.b.identity]
        let context = try DTLSContext(identities[0], prefersChaCha: nil)
        weak var connection: DTLSConnection?
        let session: DTLSSession
        do {
            let made = try DTLSConnection(context, isInitiator: true, peer: identities[1].gatewayID)
            connection = made
            session = DTLSSession(
                made,
                handshake: SessionHandshake(
                    attempt: .random(), veils: [0], configuration: SecureConfiguration(), now: .zero),
                receiveID: ConnectionID(rawValue: 1), peerID: identities[1].gatewayID, isInitiator: true,
                remote: Pair.addressB, local: nil, configuration: SecureConfiguration())
        }
        #expect(connection != nil)
        session.close()
        #expect(connection == nil)
    }
}
