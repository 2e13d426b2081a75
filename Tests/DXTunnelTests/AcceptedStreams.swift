import NIOConcurrencyHelpers

@testable import DXTunnel

/// The streams that came out of a tunnel, in order.
final class AcceptedStreams: Sendable {
    private let streams = NIOLockedValueBox<[TunnelStream]>([])

    func append(_ stream: TunnelStream) { streams.withLockedValue { $0.append(stream) } }

    /// The next one.
    func next() async throws -> TunnelStream {
        try await Polling.wait(for: "a stream") {
            streams.withLockedValue { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }
}
