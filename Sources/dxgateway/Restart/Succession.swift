import DXControl
import DXTunnel
import FoundationEssentials
import Logging

/// This start of the program follows another one, which waits for it (`docs/restart.md` §3).
struct Succession: Sendable {
    private let link: SuccessionLink

    /// So long the other one may take to tell its peers and to leave what it has.
    private static let patience = Duration.seconds(30)
    /// How often it is looked whether the gateway runs.
    private static let pause = Duration.milliseconds(5)

    /// nil when nobody has started this program to follow.
    init?() {
        guard let link = SuccessionLink.fromEnvironment() else { return nil }
        self.link = link
    }

    /// Says that the settings are read and what they come to, and takes what the other one leaves.
    func take(_ terms: SuccessionTerms) async throws -> Inheritance {
        try await link.send(.ready(terms))
        let (text, descriptors) = try await link.take(within: Self.patience)
        var bequest: Bequest
        do { bequest = try JSONDecoder().decode(Bequest.self, from: Data(text)) } catch {
            bequest = .nothing
        }
        bequest.descriptors = descriptors
        guard let inheritance = Inheritance(bequest) else {
            throw CommandFailure(.failed, "what the other start left cannot be understood")
        }
        return inheritance
    }

    /// Tells the other start once the gateway runs.
    func tell(of gateway: Gateway) -> Task<Void, any Error> {
        Task {
            while (try? await gateway.status()) == nil { try await Task.sleep(for: Self.pause) }
            try await link.send(.started)
        }
    }

    /// Tells the other start that there is none.
    func failed(_ reason: String) async { try? await link.send(.failed(reason)) }
}
