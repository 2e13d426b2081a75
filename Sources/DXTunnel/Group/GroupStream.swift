import DXSecure
import DXStream
import DXWire
import NIOCore

/// The stream of a channel over which two members exchange their documents (`docs/group.md` §7). Bound to the gateway's
/// event loop.
///
/// What the stream does not take yet stays with the exchange, which bounds it: at most one message is held here, and what
/// the peer sends of one that is not whole, at most `GroupMessage.longest`. A peer that sends more than it may
/// (`NeighbourConduct`) is not read for a while.
final class GroupStream {
    let neighbour: PublicKey
    let channel: PeerChannel
    private let id: StreamID
    private unowned let agent: GroupAgent
    private var outgoing = ByteBuffer()
    private var incoming = ByteBuffer()
    private var isOver = false
    /// When a peer that sent too much is read again.
    private var resumption: Scheduled<Void>?

    /// The port of an OPEN that means this and no tunnel (`docs/wire-format.md` §7).
    static let internalPort: UInt32 = 0

    init(_ neighbour: PublicKey, id: StreamID, on channel: PeerChannel, agent: GroupAgent) {
        self.neighbour = neighbour
        self.id = id
        self.channel = channel
        self.agent = agent
    }

    /// Sends what there is, as the stream takes it.
    func pump() {
        while !isOver {
            if outgoing.readableBytes == 0 {
                guard let message = agent.nextMessage(to: neighbour) else { return }
                let body = message.encoded
                // It can ask for the whole document with a few bytes, again and again.
                agent.charge(neighbour, body.count)
                outgoing.clear()
                outgoing.writeBytes(TunnelMessageWriter.bytes(capacity: 8) { $0.writeVarInt(UInt64(body.count)) })
                outgoing.writeBytes(body)
            }
            let count = min(channel.writableByteCount(id), outgoing.readableBytes)
            guard count > 0, let part = outgoing.readSlice(length: count) else { return }
            channel.write(part, to: id)
        }
    }

    /// The stream has something to read.
    func onReadable() {
        receiveAll()
        while !isOver, resumption == nil {
            switch channel.read(id) {
            case .none: return
            case .bytes(var bytes):
                incoming.writeBuffer(&bytes)
                receiveAll()
            case .finished, .reset:
                // Nothing ends one half alone but a peer that would have this gateway keep the other.
                channel.abort(id, code: .shutdown)
                end()
            }
        }
    }

    private func pause() {
        let wait = agent.pause(neighbour)
        let bound = NIOLoopBound(self, eventLoop: channel.core.eventLoop)
        resumption = channel.core.eventLoop.scheduleTask(in: .nanoseconds(wait.nanoseconds)) {
            bound.value.resumption = nil
            bound.value.onReadable()
        }
    }

    /// The channel ended, or the peer wants no more.
    func end() {
        guard !isOver else { return }
        isOver = true
        resumption?.cancel()
        agent.ended(self)
    }

    /// Handles the messages that are whole.
    private func receiveAll() {
        while !isOver, resumption == nil {
            do throws(DecodeError) {
                guard agent.mayReceive(from: neighbour) else { return pause() }
                guard let body = try nextBody() else {
                    incoming.discardReadBytes()
                    return
                }
                agent.charge(neighbour, NeighbourConduct.messageCost + body.count)
                var reader = unsafe ByteReader(body.span.bytes)
                agent.receive(try GroupMessage(reading: &reader, group: agent.group), from: self)
            } catch {
                agent.noteMalformed(neighbour)
                channel.breakOff("malformed group message")
                return end()
            }
        }
    }

    /// The next message, when all of it is there.
    private func nextBody() throws(DecodeError) -> [UInt8]? {
        let head = incoming.getBytes(at: incoming.readerIndex, length: min(8, incoming.readableBytes)) ?? []
        guard let first = head.first else { return nil }
        // The two highest bits tell the length of a varint (RFC 9000 §16).
        let headCount = 1 << Int(first >> 6)
        guard head.count >= headCount else { return nil }
        var reader = unsafe ByteReader(head.span.bytes)
        let count = try reader.readVarInt()
        guard count <= UInt64(GroupMessage.longest) else { throw .invalidValue }
        guard incoming.readableBytes >= headCount + Int(count) else { return nil }
        incoming.moveReaderIndex(forwardBy: headCount)
        return incoming.readBytes(length: Int(count))
    }
}

@available(*, unavailable)
extension GroupStream: Sendable {}
