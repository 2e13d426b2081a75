import DXStream
import DXWire
import NIOCore

/// How a stream of a tunnel begins, for the destination.
struct StreamBeginning {
    /// What the origin says of the client; nothing where it was not asked.
    var head = StreamHead()
    /// What the stream is like.
    var features: ActivationTerms.Features = []
    /// What has arrived behind the head.
    var bytes = ByteBuffer()
}

/// A stream at its destination, of which the head has not arrived whole. Bound to the gateway's event loop.
final class HeadedStream {
    let tunnel: DestinationTunnel
    private let features: ActivationTerms.Features
    private var reader = StreamHeadReader()

    init(tunnel: DestinationTunnel, features: ActivationTerms.Features) {
        self.tunnel = tunnel
        self.features = features
    }

    /// What reading gave.
    enum Progress {
        /// More has to come.
        case none
        /// The head is there.
        case head(StreamBeginning)
        /// The origin gave the stream up before.
        case ended
        /// It is none.
        case broken
    }

    /// Takes what has come.
    func read(_ id: StreamID, on channel: PeerChannel) -> Progress {
        while true {
            switch channel.read(id) {
            case .none: return .none
            case .finished, .reset: return .ended
            case .bytes(let bytes): reader.append(bytes)
            }
            do throws(DecodeError) {
                guard let head = try reader.next() else { continue }
                return .head(StreamBeginning(head: head, features: features, bytes: reader.bytes))
            } catch { return .broken }
        }
    }
}

@available(*, unavailable)
extension HeadedStream: Sendable {}
