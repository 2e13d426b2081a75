import DXWire
import NIOCore

/// A datagram on its way from one start of the gateway to the one before, whose session it is (`docs/restart.md` §4): how it stands in the
/// stream between the two processes. Both are of one host, and nobody else has an end of that stream.
///
/// `length (4) | ecn (1) | source (23) | local (23) | bytes`; an address is `family (1: 0 none, 4, 6) | address (16) | scope (4) | port (2)`. Where the ecn
/// would be, 255 says that a `Standing` follows.
enum RelayedDatagram {
    /// What comes next in the stream.
    enum Next {
        case datagram(LoopNeighbour.Datagram)
        case standing(Standing)
    }

    private static let standingMark: UInt8 = 255
    /// 16,384 members, and 4,096 tunnels of the longest name; a gateway has fewer.
    private static let mostStanding = 1 << 20
    private static let addressByteCount = 23
    private static let headByteCount = 1 + 2 * addressByteCount
    /// What the length of a datagram may say at most.
    static let mostBytes = headByteCount + Constants.maximumDatagram

    /// Appends a datagram.
    static func write(
        _ datagram: RawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, to buffer: inout ByteBuffer
    ) {
        buffer.writeInteger(UInt32(headByteCount + datagram.byteCount))
        buffer.writeInteger(ecn.rawValue)
        write(source, to: &buffer)
        write(local, to: &buffer)
        buffer.writeWithOutputRawSpan(minimumWritableBytes: datagram.byteCount) { $0.write(datagram) }
    }

    /// Appends who may still use the gateway; nothing when they are too many, and then all that is open goes on.
    static func write(_ standing: Standing, to buffer: inout ByteBuffer) {
        let bytes = standing.bytes
        guard bytes.count < mostStanding else { return }
        buffer.writeInteger(UInt32(1 + bytes.count))
        buffer.writeInteger(standingMark)
        buffer.writeBytes(bytes)
    }

    /// Takes what comes next; nil when it is not whole yet. Throws when there can be none.
    static func read(_ buffer: inout ByteBuffer) throws(Malformed) -> Next? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return nil }
        guard length > 0, Int(length) <= mostStanding else { throw Malformed() }
        guard let kind = buffer.getInteger(at: buffer.readerIndex + 4, as: UInt8.self) else { return nil }
        guard kind == standingMark || (headByteCount...mostBytes).contains(Int(length)) else { throw Malformed() }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        if kind == standingMark {
            guard let bytes = buffer.readBytes(length: Int(length)), let standing = Standing(bytes.dropFirst()) else {
                throw Malformed()
            }
            return .standing(standing)
        }
        return .datagram(try datagram(&buffer, of: Int(length)))
    }

    private static func datagram(
        _ buffer: inout ByteBuffer, of length: Int
    ) throws(Malformed) -> LoopNeighbour.Datagram {
        guard let ecn = buffer.readInteger(as: UInt8.self).flatMap(ECNMark.init(rawValue:)),
            let source = try address(&buffer)
        else { throw Malformed() }
        let local = try address(&buffer)
        guard let bytes = buffer.readBytes(length: length - headByteCount) else { throw Malformed() }
        return LoopNeighbour.Datagram(bytes: bytes, source: source, local: local, ecn: ecn)
    }

    /// The stream holds what no gateway writes.
    struct Malformed: Error {}

    private static func write(_ endpoint: Endpoint?, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(endpoint.map { $0.family == .v4 ? 4 : 6 } ?? 0))
        buffer.writeInteger(endpoint?.high ?? 0)
        buffer.writeInteger(endpoint?.low ?? 0)
        buffer.writeInteger(endpoint?.scope ?? 0)
        buffer.writeInteger(endpoint?.port ?? 0)
    }

    private static func address(_ buffer: inout ByteBuffer) throws(Malformed) -> Endpoint? {
        guard let family = buffer.readInteger(as: UInt8.self), let high = buffer.readInteger(as: UInt64.self),
            let low = buffer.readInteger(as: UInt64.self), let scope = buffer.readInteger(as: UInt32.self),
            let port = buffer.readInteger(as: UInt16.self)
        else { throw Malformed() }
        switch family {
        case 0: return nil
        case 4: return Endpoint(v4: UInt32(truncatingIfNeeded: low), port: port)
        case 6: return Endpoint(v6High: high, low: low, scope: scope, port: port)
        default: throw Malformed()
        }
    }
}
