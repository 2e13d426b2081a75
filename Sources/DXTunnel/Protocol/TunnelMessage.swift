import DXWire

/// One control message (`docs/wire-format.md` §7).
enum TunnelMessage: Equatable, Sendable {
    /// Asks the destination for a listener block for the tunnel of this name.
    case activate(request: UInt64, tunnel: String, terms: ActivationTerms = ActivationTerms())
    /// The same for a tunnel that carries UDP; only to peers that carry flows, as others skip it.
    case activateUDP(request: UInt64, tunnel: String)
    /// The block is there.
    case activated(request: UInt64, internalPort: UInt32, terms: ActivationTerms = ActivationTerms())
    /// There will be none.
    case refused(request: UInt64, code: RefusalCode, reason: String)
    /// The destination withdrew a block.
    case deactivated(internalPort: UInt32, reason: String)
    /// Asks for an `echoed` with the same token.
    case echo(token: UInt64)
    /// The answer to `echo`.
    case echoed(token: UInt64)
    /// What the destination knows of a tunnel's target; follows each `activated`, and each change.
    case target(internalPort: UInt32, state: TargetHealth.State, reason: String)
    /// The gateway is about to stop, or is so no more: new connections had better go elsewhere.
    case leaving(Bool)
    /// Another start of the gateway takes its place: sessions are that one's from now on, and this channel is left to its streams.
    case succession
    /// A type of a newer version, skipped.
    case unknown

    /// Why an activation was refused; a newer peer may send others.
    struct RefusalCode: RawRepresentable, Hashable, Sendable {
        var rawValue: UInt64
        /// The destination has no such tunnel, or the asker is not among its origins. One code for both: a gateway that
        /// is not allowed learns nothing.
        static let notAllowed = RefusalCode(rawValue: 1)
        /// The destination has as many listener blocks as it may.
        static let limit = RefusalCode(rawValue: 2)
        /// The tunnel has what the asker's program does not know, or not as the asker has it.
        static let unsupported = RefusalCode(rawValue: 3)
    }

    private enum Kind {
        static let activate: UInt64 = 1
        static let activated: UInt64 = 2
        static let refused: UInt64 = 3
        static let deactivated: UInt64 = 4
        static let echo: UInt64 = 5
        static let echoed: UInt64 = 6
        static let activateUDP: UInt64 = 10
        static let target: UInt64 = 16
        static let leaving: UInt64 = 17
        static let succession: UInt64 = 18
    }

    /// The longest text field, in bytes of UTF-8.
    static let maximumTextByteCount = 255

    /// Reads one message without its length; bytes after the known fields are ignored.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        switch try reader.readVarInt() {
        case Kind.activate:
            self = .activate(
                request: try reader.readVarInt(), tunnel: try Self.readText(&reader),
                terms: ActivationTerms(reading: &reader))
        case Kind.activateUDP:
            self = .activateUDP(request: try reader.readVarInt(), tunnel: try Self.readText(&reader))
        case Kind.activated:
            self = .activated(
                request: try reader.readVarInt(), internalPort: try reader.readUInt32(),
                terms: ActivationTerms(reading: &reader))
        case Kind.refused:
            let request = try reader.readVarInt()
            let code = RefusalCode(rawValue: try reader.readVarInt())
            self = .refused(request: request, code: code, reason: try Self.readText(&reader))
        case Kind.deactivated:
            self = .deactivated(internalPort: try reader.readUInt32(), reason: try Self.readText(&reader))
        case Kind.echo: self = .echo(token: try reader.readUInt64())
        case Kind.echoed: self = .echoed(token: try reader.readUInt64())
        case Kind.target:
            let port = try reader.readUInt32()
            // What a newer version knows beside these is nothing to act on.
            let state = TargetHealth.State(rawValue: try reader.readVarInt()) ?? .unknown
            self = .target(internalPort: port, state: state, reason: try Self.readText(&reader))
        case Kind.leaving: self = .leaving(try reader.readVarInt() != 0)
        case Kind.succession: self = .succession
        default: self = .unknown
        }
    }

    /// The message with its length before it, ready for the control stream.
    var encoded: [UInt8] {
        let body = TunnelMessageWriter.bytes(capacity: 2 * (Self.maximumTextByteCount + 16)) { output in
            write(to: &output)
        }
        let head = TunnelMessageWriter.bytes(capacity: 8) { output in output.writeVarInt(UInt64(body.count)) }
        return head + body
    }

    @_lifetime(output: copy output)
    private func write(to output: inout OutputRawSpan) {
        switch self {
        case .activate(let request, let tunnel, let terms):
            output.writeVarInt(Kind.activate)
            output.writeVarInt(request)
            Self.writeText(tunnel, to: &output)
            terms.write(to: &output)
        case .activateUDP(let request, let tunnel):
            output.writeVarInt(Kind.activateUDP)
            output.writeVarInt(request)
            Self.writeText(tunnel, to: &output)
        case .activated(let request, let internalPort, let terms):
            output.writeVarInt(Kind.activated)
            output.writeVarInt(request)
            output.write(internalPort)
            terms.write(to: &output)
        case .refused(let request, let code, let reason):
            output.writeVarInt(Kind.refused)
            output.writeVarInt(request)
            output.writeVarInt(code.rawValue)
            Self.writeText(reason, to: &output)
        case .deactivated(let internalPort, let reason):
            output.writeVarInt(Kind.deactivated)
            output.write(internalPort)
            Self.writeText(reason, to: &output)
        case .echo(let token):
            output.writeVarInt(Kind.echo)
            output.write(token)
        case .echoed(let token):
            output.writeVarInt(Kind.echoed)
            output.write(token)
        case .target(let internalPort, let state, let reason):
            output.writeVarInt(Kind.target)
            output.write(internalPort)
            output.writeVarInt(state.rawValue)
            Self.writeText(reason, to: &output)
        case .leaving(let isLeaving):
            output.writeVarInt(Kind.leaving)
            output.writeVarInt(isLeaving ? 1 : 0)
        case .succession: output.writeVarInt(Kind.succession)
        case .unknown: preconditionFailure("an unknown message is never sent")
        }
    }

    private static func readText(_ reader: inout ByteReader) throws(DecodeError) -> String {
        let count = try reader.readLength()
        guard count <= maximumTextByteCount else { throw .invalidValue }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for _ in 0..<count { bytes.append(try reader.readUInt8()) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes a text, cut at a character to what a field may hold.
    @_lifetime(output: copy output)
    private static func writeText(_ text: String, to output: inout OutputRawSpan) {
        var text = text
        while text.utf8.count > maximumTextByteCount { text.removeLast() }
        output.writeVarInt(UInt64(text.utf8.count))
        for byte in text.utf8 { output.write(byte) }
    }
}

/// Makes an array of what a span writer writes.
enum TunnelMessageWriter {
    /// The bytes that `write` appends, at most `capacity`.
    static func bytes(capacity: Int, _ write: (inout OutputRawSpan) -> Void) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            var span = unsafe OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(buffer), initializedCount: 0)
            write(&span)
            count = span.byteCount
        }
    }
}
