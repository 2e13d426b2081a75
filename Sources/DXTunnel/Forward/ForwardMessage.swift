import DXWire
import NIOCore

/// What a member and one that forwards for it say to each other in DATAGRAM frames (`docs/wire-format.md` §6.13.1): whose datagram it is,
/// and the datagram, which is sealed and stays as it is.
enum ForwardMessage {
    /// What is wanted of whoever gets it: the flow of the frame.
    enum Flow: UInt64 {
        /// Pass this on to the member named.
        case pass = 1
        /// The member named had this passed on.
        case passed = 2
    }

    /// The tag of a member stands before the datagram.
    static let headByteCount = 8

    /// The member that a message names; nil when it is too short to carry anything.
    static func member(of message: ByteBuffer) -> PresenceTag? {
        guard message.readableBytes > headByteCount,
            let value: UInt64 = message.getInteger(at: message.readerIndex)
        else { return nil }
        return PresenceTag(value: value)
    }

    /// The same message with another member named.
    static func naming(_ member: PresenceTag, in message: ByteBuffer) -> ByteBuffer {
        var message = message
        message.setInteger(member.value, at: message.readerIndex)
        return message
    }

    /// The datagram that a message carries.
    static func datagram(of message: ByteBuffer) -> [UInt8] {
        Array(message.readableBytesView.dropFirst(headByteCount))
    }

    /// A message about a datagram of at most so many bytes, which `fill` writes; nil when it writes none.
    static func make<Failure: Error>(
        _ member: PresenceTag, maximumByteCount: Int, fill: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) -> ByteBuffer? {
        var message = ByteBuffer()
        message.reserveCapacity(headByteCount + maximumByteCount)
        message.writeInteger(member.value)
        try message.writeWithOutputRawSpan(minimumWritableBytes: maximumByteCount, initializingWith: fill)
        return message.readableBytes > headByteCount ? message : nil
    }
}
