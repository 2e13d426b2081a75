import DXWire
import NIOCore

@testable import DXTunnel

/// What the reader of control messages promises about any bytes at all. The unit tests and the fuzzer call the same checks.
///
/// It gives messages or a `DecodeError`, whatever the cuts in which the bytes arrive; a message, written again, is read as
/// the same; nothing longer than a whole message is kept.
enum TunnelMessageProperty {
    /// A promise that did not hold.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// What a reader made of some bytes.
    struct Outcome: Equatable {
        var messages: [TunnelMessage] = []
        /// Why it stopped; nil when it waits for more.
        var error: DecodeError?
    }

    /// Valid inputs to start from.
    static var seeds: [[UInt8]] {
        let vectors = TunnelMessageVector.canonical + TunnelMessageVector.withTerms + TunnelMessageVector.alternative
        return vectors.map(\.bytes) + [vectors.flatMap(\.bytes)]
    }

    /// Checks the promises for `bytes`.
    static func check(_ bytes: [UInt8]) throws(Failure) {
        let whole = read([bytes])
        guard read(bytes.map { [$0] }) == whole else { throw Failure(description: "single bytes are read differently") }
        // The first byte chooses a cut, so that the fuzzer moves it.
        let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % (bytes.count + 1)
        guard read([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole else {
            throw Failure(description: "cut at \(cut) it is read differently")
        }
        for message in whole.messages where message != .unknown { try checkWriting(message) }
    }

    private static func checkWriting(_ message: TunnelMessage) throws(Failure) {
        let written = message.encoded
        let again = read([written])
        guard again.error == nil, again.messages.count == 1 else {
            throw Failure(description: "\(message) was written and is not one message: \(again)")
        }
        // A text that was not UTF-8 has grown by its replacement characters and may be cut.
        guard again.messages[0].encoded == written, again.messages[0] == message || isLong(message) else {
            throw Failure(description: "\(message) became \(again.messages[0])")
        }
    }

    private static func isLong(_ message: TunnelMessage) -> Bool {
        switch message {
        case .activate(_, let text, _), .activateUDP(_, let text), .refused(_, _, let text), .deactivated(_, let text),
            .target(_, _, let text):
            text.utf8.count > TunnelMessage.maximumTextByteCount
        case .activated, .echo, .echoed, .leaving, .succession, .unknown: false
        }
    }

    /// What a reader makes of bytes that arrive in `parts`.
    static func read(_ parts: [[UInt8]]) -> Outcome {
        var reader = TunnelMessageReader()
        var outcome = Outcome()
        for part in parts {
            reader.append(ByteBuffer(bytes: part))
            do throws(DecodeError) {
                while let message = try reader.next() { outcome.messages.append(message) }
            } catch {
                outcome.error = error
                return outcome
            }
        }
        return outcome
    }
}
