public import DXWire

/// How far one stream has come between the two gateways, whatever its applications do.
public struct StreamProgress: Hashable, Sendable, BitwiseCopyable {
    /// Bytes that the peer has acknowledged in order, and bytes that arrived from it, since the stream began.
    public var moved: UInt64
    /// Of these the bytes that arrived.
    public var received: UInt64
    /// Bytes that are on the way to the peer, or may be sent and were not yet.
    public var waiting: Int
    /// Bytes that were written and the peer has not acknowledged, whatever holds them back.
    public var unacknowledged: Int
    /// Bytes that arrived and wait for the application here: what does not move then is its own doing.
    public var unread: Int
    /// The peer has the stream: its OPEN was acknowledged, or it is the one that sent it.
    public var isOpen: Bool
}

extension MessageChannel {
    /// How far a stream has come; nil of one that has ended. Changes nothing; takes a look-up in a table.
    public mutating func progress(of id: StreamID) -> StreamProgress? {
        guard case .found(let slot) = streams.find(id) else { return nil }
        let (send, receive) = (streams[slot].send, streams[slot].receive)
        // Of a half that was reset nothing is on the way, and what was never sent never will be.
        let isSending = send.phase == .sending
        let onTheWay = isSending ? Int(send.nextOffset &- send.buffer.baseOffset) : 0
        // What the peer's own limit holds back waits for an application there.
        let isAllowed = isSending && send.nextOffset < send.peerMaximum
        return StreamProgress(
            moved: min(send.buffer.baseOffset, send.nextOffset) &+ receive.window.highestReceived,
            received: receive.window.highestReceived, waiting: onTheWay + (isAllowed ? send.unsentByteCount : 0),
            unacknowledged: send.bufferedByteCount, unread: receive.reassembler.readyByteCount,
            isOpen: streams[slot].opening == .done)
    }
}
