@testable import DXSecure

/// Two DTLS associations wired to each other.
enum ConnectionRun {
    /// Carries flights to and fro until nothing moves; the last outcomes of client and server.
    static func handshake(
        _ client: DTLSConnection, _ server: DTLSConnection
    ) -> (DTLSConnection.Outcome, DTLSConnection.Outcome) {
        var outcomes = (client.start(), DTLSConnection.Outcome.incomplete)
        for _ in 0..<10 {
            for datagram in client.takeFlight() where outcomes.1 == .incomplete {
                outcomes.1 = server.receive(datagram)
            }
            for datagram in server.takeFlight() where outcomes.0 == .incomplete {
                outcomes.0 = client.receive(datagram)
            }
        }
        return outcomes
    }
}

extension DTLSConnection {
    func receive(_ datagram: [UInt8]) -> Outcome { unsafe receive(datagram.span.bytes) }
}
