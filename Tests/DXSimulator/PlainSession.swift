public import DXWire
public import NIOCore

/// Stands in for a DTLS session under virtual time (OpenSSL reads the real clock): the same datagram layout and
/// overhead (`docs/wire-format.md` §2), a tag that detects damage, and the same replay window. No secrecy.
///
/// ```
/// connection id (8) | record number (6) | zeros for the explicit nonce (8) | packet | tag (16)
/// ```
public struct PlainSession: Sendable {
    /// The connection id by which this end receives.
    public let receiveID: ConnectionID
    /// The connection id by which the other end receives.
    public let sendID: ConnectionID
    /// Datagrams whose tag was wrong or that were too short.
    public private(set) var openFailedCount = 0
    /// Datagrams that the replay window refused.
    public private(set) var replayDroppedCount = 0
    private let key: UInt64
    private let dropsReplays: Bool
    private var nextRecord: UInt64 = 0
    private var window = ReplayWindow()

    /// Bytes of a datagram beyond its packet: as AES-GCM has.
    public static let overheadByteCount = 38
    /// Bytes before the packet.
    static let headByteCount = 22
    private static let tagByteCount = 16

    /// What opening a datagram gave.
    public enum Opened: Sendable {
        /// A packet that is new, and whether its record is newer than all before: only such a one may move the path to
        /// another address.
        case packet(ByteBuffer, isNewest: Bool)
        /// Damaged, or for another session.
        case failed
        /// Seen before, or too old to tell.
        case replayed
    }

    /// One end of a session; the other has the ids swapped and the same key. Without `dropsReplays` its window lets
    /// copies through, to find out what the channel does by itself; what is too old it drops all the same, because packet
    /// numbers are cut to what its width allows to recover.
    public init(receiveID: ConnectionID, sendID: ConnectionID, key: UInt64, dropsReplays: Bool = true) {
        self.dropsReplays = dropsReplays
        self.receiveID = receiveID
        self.sendID = sendID
        self.key = key
    }

    /// Whether records are left to send: a DTLS record number has 48 bits.
    public var canSeal: Bool { nextRecord < 1 << 48 }

    /// A buffer with room at its head for what `seal` fills in; the packet is appended by the caller.
    public static func makeBuffer(packetCapacity: Int) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: packetCapacity + overheadByteCount)
        writeHead(to: &buffer)
        return buffer
    }

    /// Appends room for what `seal` fills in to an empty buffer.
    static func writeHead(to buffer: inout ByteBuffer) { buffer.writeRepeatingByte(0, count: headByteCount) }

    /// Makes a datagram out of a buffer from `makeBuffer` that the packet was appended to.
    public mutating func seal(_ buffer: inout ByteBuffer) {
        buffer.setInteger(sendID.rawValue, at: 0)
        buffer.setInteger(UInt16(truncatingIfNeeded: nextRecord >> 32), at: 8)
        buffer.setInteger(UInt32(truncatingIfNeeded: nextRecord), at: 10)
        nextRecord += 1
        let tag = tag(of: buffer.readableBytesSpan)
        buffer.writeInteger(tag.0)
        buffer.writeInteger(tag.1)
    }

    /// Checks a datagram and takes the packet out of it.
    public mutating func open(_ datagram: ByteBuffer) -> Opened {
        let length = datagram.readableBytes - Self.overheadByteCount
        guard length >= 0, var body = datagram.getSlice(at: datagram.readerIndex, length: length + Self.headByteCount),
            let high: UInt64 = datagram.getInteger(at: datagram.writerIndex - 16),
            let low: UInt64 = datagram.getInteger(at: datagram.writerIndex - 8),
            body.getInteger(at: body.readerIndex, as: UInt64.self) == receiveID.rawValue
        else {
            openFailedCount += 1
            return .failed
        }
        let number = Self.recordNumber(body)
        // As OpenSSL: the window first (cheap), the tag second, and only then is the number noted.
        guard window.accepts(number) || (!dropsReplays && !window.isTooOld(number)) else {
            replayDroppedCount += 1
            return .replayed
        }
        guard tag(of: body.readableBytesSpan) == (high, low) else {
            openFailedCount += 1
            return .failed
        }
        let isNewest = window.isNewest(number)
        window.insert(number)
        body.moveReaderIndex(forwardBy: Self.headByteCount)
        return .packet(body, isNewest: isNewest)
    }

    /// The connection id at the head of a datagram; nil when it is too short.
    public static func connectionID(of datagram: ByteBuffer) -> ConnectionID? {
        datagram.getInteger(at: datagram.readerIndex, as: UInt64.self).map(ConnectionID.init(rawValue:))
    }

    private static func recordNumber(_ body: ByteBuffer) -> UInt64 {
        let high: UInt16 = body.getInteger(at: body.readerIndex + 8)!
        let low: UInt32 = body.getInteger(at: body.readerIndex + 10)!
        return UInt64(high) << 32 | UInt64(low)
    }

    /// Two keyed 64-bit sums over all bytes. Damage is missed with a probability near 2^-64, if it is not malicious.
    private func tag(of bytes: RawSpan) -> (UInt64, UInt64) {
        var first = key ^ UInt64(bytes.byteCount)
        var second = ~key
        var offset = 0
        while offset &+ 8 <= bytes.byteCount {
            let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
            Self.mix(word, into: &first, and: &second)
            offset &+= 8
        }
        var rest: UInt64 = 0
        while offset < bytes.byteCount {
            let byte = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt8.self)
            rest = rest &<< 8 | UInt64(byte)
            offset &+= 1
        }
        Self.mix(rest, into: &first, and: &second)
        return (first, second)
    }

    @inline(__always)
    private static func mix(_ word: UInt64, into first: inout UInt64, and second: inout UInt64) {
        // Odd multipliers (SplitMix64's), so that each step can be undone and no damage is forgotten.
        first = (first ^ word) &* 0xbf58_476d_1ce4_e5b9
        first ^= first &>> 29
        second = (second &+ word) &* 0x94d0_49bb_1331_11eb
        second ^= second &>> 31
    }
}
