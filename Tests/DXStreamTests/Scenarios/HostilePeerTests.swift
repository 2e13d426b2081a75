import DXSimulator
import DXWire
import NIOCore
import Testing

@testable import DXStream

/// A peer that holds valid keys and breaks the protocol. Each breach ends the channel with its code; what is no breach
/// costs bounded memory. Nothing traps.
@Suite struct HostilePeerTests {
    private static let mine = StreamID(index: 0, role: .upper)
    private static let theirs = StreamID(index: 0, role: .lower)

    // MARK: Breaches, each with its code

    @Test func acknowledgingWhatWasNeverSent() throws {
        for largest: UInt64 in [40, 500, VarInt.maximum] {
            let peer = HostilePeer()
            peer.sendAck(largest: largest, ranges: [0])
            peer.expectEnd(.protocolViolation)
        }
    }

    /// Numbers are left out on purpose; who acknowledges packets before they come meets one of them.
    @Test func optimisticAcknowledgements() throws {
        let peer = HostilePeer()
        peer.victimSends(byteCount: 4_000_000)
        peer.send { $0.write(MaxStreamDataFrame(id: Self.mine, maximum: 4_000_000)) }
        var rounds = 0
        while peer.isOpen, rounds < 2_000 {
            rounds += 1
            peer.advance(.milliseconds(1))
            // Acknowledges everything up to the newest, whether it arrived or not.
            guard let largest = peer.largestSeen else { break }
            peer.sendAck(largest: largest, ranges: [largest])
        }
        peer.expectEnd(.protocolViolation)
    }

    @Test func moreThanTheStreamWindow() {
        let peer = HostilePeer()
        let window = peer.streamWindow
        peer.send { $0.writeStream(Self.theirs, offset: window - 1, byteCount: 1) }
        #expect(peer.isOpen)
        peer.send { $0.writeStream(Self.theirs, offset: window, byteCount: 1) }
        peer.expectEnd(.flowControl)
    }

    @Test func moreThanTheChannelWindow() {
        let peer = HostilePeer { $0.receiveMemory = 200_000 }
        let window = peer.streamWindow
        peer.send { $0.writeStream(Self.theirs, offset: window - 1, byteCount: 1) }
        #expect(peer.isOpen)
        let further = StreamID(index: 1, role: .lower)
        peer.send { $0.writeStream(further, offset: window - 1, byteCount: 1) }
        peer.expectEnd(.flowControl)
        // Its owner may let the streams go before it hears of that. What was never counted is not counted back.
        for id in [further, Self.theirs] {
            peer.victim.stop(id, code: .aborted, now: Instant(nanoseconds: 9_000_000_000))
        }
        #expect((0...200_000).contains(peer.victim.heldByteCount))
    }

    @Test func windowOverflowByReset() {
        let peer = HostilePeer()
        peer.send { $0.write(ResetFrame(id: Self.theirs, code: .aborted, finalSize: VarInt.maximum)) }
        peer.expectEnd(.flowControl)
    }

    @Test func offsetsAtTheEndOfTheRange() {
        let peer = HostilePeer()
        peer.send { $0.writeStream(Self.theirs, offset: VarInt.maximum - 1, byteCount: 1) }
        peer.expectEnd(.flowControl)
        let beyond = HostilePeer()
        beyond.send { $0.writeStream(Self.theirs, offset: VarInt.maximum, byteCount: 1) }
        beyond.expectEnd(.frameFormat)
    }

    @Test func moreStreamsThanAllowed() {
        let peer = HostilePeer { $0.maximumStreams = 10 }
        peer.send { $0.writeStream(StreamID(index: 9, role: .lower), offset: 0, byteCount: 1) }
        #expect(peer.isOpen)
        peer.send { $0.writeStream(StreamID(index: 10, role: .lower), offset: 0, byteCount: 1) }
        peer.expectEnd(.streamLimit)
    }

    /// The last stream id of all opens all below it, if it were allowed.
    @Test func theLastStreamID() {
        let peer = HostilePeer()
        peer.send { $0.writeStream(StreamID(rawValue: VarInt.maximum - 1), offset: 0, byteCount: 1) }
        peer.expectEnd(.streamLimit)
    }

    @Test func framesForStreamsOfMineThatIDidNotOpen() {
        let frames: [(inout HostilePeer.Frames) -> Void] = [
            { $0.writeStream(Self.mine, offset: 0, byteCount: 1) },
            { $0.write(ResetFrame(id: Self.mine, code: .aborted, finalSize: 0)) },
            { $0.write(StopFrame(id: Self.mine, code: .aborted)) },
            { $0.write(MaxStreamDataFrame(id: Self.mine, maximum: 5)) },
            { $0.write(OpenFrame(id: Self.mine, internalPort: 1, streamClass: .bulk, share: 1)) },
        ]
        for frame in frames {
            let peer = HostilePeer()
            peer.send(frame)
            peer.expectEnd(.streamState)
        }
    }

    @Test func changesOfTheFinalSize() {
        typealias Write = (inout HostilePeer.Frames) -> Void
        let id = Self.theirs
        let pairs: [(Write, Write)] = [
            // FIN, then data beyond it; another FIN; a reset of another size.
            (
                { $0.writeStream(id, offset: 0, byteCount: 10, isFin: true) },
                { $0.writeStream(id, offset: 5, byteCount: 6) }
            ),
            (
                { $0.writeStream(id, offset: 0, byteCount: 10, isFin: true) },
                { $0.writeStream(id, offset: 0, byteCount: 9, isFin: true) }
            ),
            (
                { $0.writeStream(id, offset: 0, byteCount: 10, isFin: true) },
                { $0.write(ResetFrame(id: id, code: .aborted, finalSize: 11)) }
            ),
            // Data, then an end below it.
            (
                { $0.writeStream(id, offset: 50, byteCount: 10) },
                { $0.writeStream(id, offset: 20, byteCount: 0, isFin: true) }
            ),
            (
                { $0.writeStream(id, offset: 50, byteCount: 10) },
                { $0.write(ResetFrame(id: id, code: .aborted, finalSize: 59)) }
            ),
            // A reset, then another, or data beyond it.
            (
                { $0.write(ResetFrame(id: id, code: .aborted, finalSize: 100)) },
                { $0.write(ResetFrame(id: id, code: .aborted, finalSize: 99)) }
            ),
            (
                { $0.write(ResetFrame(id: id, code: .aborted, finalSize: 100)) },
                { $0.writeStream(id, offset: 100, byteCount: 1) }
            ),
        ]
        for (first, second) in pairs {
            let peer = HostilePeer()
            peer.send(first)
            #expect(peer.isOpen)
            peer.send(second)
            peer.expectEnd(.finalSize)
        }
    }

    @Test func malformedPackets() {
        // An unknown frame type; a frame cut short; no frame at all.
        for bytes: [UInt8] in [[0x3f], [0x10], [0x02, 0x00, 0x05], []] {
            let peer = HostilePeer()
            peer.send { frames in frames.buffer.writeBytes(bytes) }
            peer.expectEnd(.frameFormat)
        }
    }

    @Test func aPacketOfAnotherPath() {
        let peer = HostilePeer()
        peer.pathInHeader = PathID(rawValue: 2)
        peer.send { $0.writePing() }
        peer.expectEnd(.protocolViolation)
    }

    @Test func controlBytesBeyondTheWindow() {
        let peer = HostilePeer()
        peer.send { $0.writeControl(offset: Constants.controlWindow, byteCount: 1) }
        peer.expectEnd(.flowControl)
    }

    // MARK: No breaches, but costly ones

    /// Every other byte of a stream, in packets of one byte each: memory stays within the window and the list of pieces
    /// within its limit; what does not fit is refused and not acknowledged.
    @Test func tinyPiecesOutOfOrder() {
        let peer = HostilePeer()
        var offset: UInt64 = 1
        while offset < 40_000 {
            peer.send { frames in
                for _ in 0..<100 {
                    frames.writeStream(Self.theirs, offset: offset, byteCount: 1)
                    offset += 2
                }
            }
            if offset % 4_001 == 0 { peer.advance(.milliseconds(1)) }
        }
        #expect(peer.isOpen)
        #expect(peer.statistics.packetsRefused > 0)
        #expect(peer.heldByteCount <= Int(peer.streamWindow))
    }

    /// Thousands of streams known by one frame, none opened: they count as streams, no event is made of them.
    @Test func streamsWithoutOpen() {
        let peer = HostilePeer { $0.maximumStreams = 4_000 }
        peer.send { $0.writeStream(StreamID(index: 3_999, role: .lower), offset: 0, byteCount: 1) }
        #expect(peer.isOpen)
        #expect(peer.streamCount == 4_000)
        #expect(peer.events.isEmpty)
    }

    /// Floods of frames that cost the sender little: answers are bounded, and nothing is queued for each.
    @Test func floods() {
        let floods: [(inout HostilePeer.Frames) -> Void] = [
            { frames in for _ in 0..<1_000 { frames.writePing() } },
            { frames in for index in 0..<100 { frames.writePathChallenge(UInt64(index)) } },
            { frames in for index in 0..<100 { frames.writePathResponse(UInt64(index)) } },
            { frames in for index in 0..<200 { frames.writeMaxData(UInt64(index)) } },
            { frames in for index in 0..<200 { frames.writeMaxStreams(UInt64(index)) } },
            { frames in for index in 0..<200 { frames.writeRetirePath(PathID(rawValue: UInt64(index + 2))) } },
            { frames in for _ in 0..<100 { frames.write(StopFrame(id: Self.theirs, code: .aborted)) } },
            { frames in for _ in 0..<100 { frames.writeStream(Self.theirs, offset: 0, byteCount: 1) } },
        ]
        for (index, flood) in floods.enumerated() {
            let peer = HostilePeer()
            for _ in 0..<200 {
                peer.send(flood)
                peer.advance(.microseconds(100))
            }
            #expect(peer.isOpen, "flood \(index)")
            #expect(peer.packetsSent <= 450, "flood \(index) of 200 packets was answered with \(peer.packetsSent)")
            #expect(peer.events.count < 20, "flood \(index) made \(peer.events.count) events")
        }
    }

    /// Old and empty acknowledgements over and over.
    @Test func floodOfAcknowledgements() {
        let peer = HostilePeer()
        peer.victimSends(byteCount: 20_000)
        peer.advance(.milliseconds(10))
        for _ in 0..<500 {
            peer.sendAck(largest: 0, ranges: [0])
            peer.advance(.microseconds(50))
        }
        #expect(peer.isOpen)
        #expect(peer.packetsSent < 60, "\(peer.packetsSent) packets")
    }

    /// A peer that sends for ever and acknowledges nothing: what is remembered of the answers is bounded, and the data that
    /// waits is not lost.
    @Test func neverAcknowledging() {
        let peer = HostilePeer()
        peer.victimSends(byteCount: 3_000)
        // Two are answered by one: a bit more than the bound in answers.
        for _ in 0..<(SentPackets.forcedCount + 500) {
            peer.send { $0.writePing() }
            peer.send { $0.writePing() }
        }
        #expect(peer.isOpen)
        let kept = peer.victim.paths[0].sent.packets.count
        #expect(kept <= SentPackets.forcedCount)
        #expect(peer.packetsSent > SentPackets.forcedCount)
        #expect(peer.heldByteCount == 3_000)
    }

    /// Unreliable messages nobody polls for: the events are bounded by the driver's batch, messages are dropped beyond.
    @Test func messagesLargerThanAllowedAreDropped() {
        let peer = HostilePeer { $0.maximumMessage = 100 }
        peer.send { $0.writeMessage(byteCount: 101) }
        #expect(peer.isOpen)
        #expect(peer.events.isEmpty)
        #expect(peer.statistics.messagesDropped == 1)
    }

    /// Packet numbers that jump as far as one byte to four bytes can make them.
    @Test func jumpingPacketNumbers() {
        var random = RandomSource(seed: 4)
        let peer = HostilePeer()
        for _ in 0..<3_000 {
            peer.nextNumber += 1 + random.below(1 << (1 + random.below(30)))
            peer.send { $0.writePing() }
            peer.advance(.microseconds(10))
        }
        #expect(peer.isOpen)
        // The list of ranges is bounded: an ACK never has more than 256.
        #expect(peer.largestAckRangeCount <= AckFrame.maximumRangeCount)
    }

    /// ECN counts that fall, jump or claim more than was sent end the use of ECN, not the channel.
    @Test func lyingECNCounts() {
        for counts in [
            ECNCounts(ect0: 1_000, ect1: 0, ce: 0), ECNCounts(ect0: 0, ect1: 5, ce: 0),
            ECNCounts(ect0: VarInt.maximum, ect1: VarInt.maximum, ce: VarInt.maximum),
        ] {
            let peer = HostilePeer()
            peer.victimSends(byteCount: 5_000)
            peer.advance(.milliseconds(10))
            peer.sendAck(largest: 2, ranges: [2], ecn: counts)
            #expect(peer.isOpen)
            #expect(!peer.marksECN)
        }
    }

    /// Random frames with random fields, also plausible ones: whatever comes, a channel that is open or closed by a code.
    @Test func randomFrames() throws {
        try Replay.run("HostilePeerTests", seeds: Replay.seeds(count: 400)) { seed, _ in
            var random = RandomSource(seed: seed)
            let peer = HostilePeer {
                $0.maximumStreams = 20
                $0.receiveMemory = 300_000
            }
            peer.victimSends(byteCount: Int(random.below(30_000)))
            for _ in 0..<200 where peer.isOpen {
                peer.send { RandomFrame.write(to: &$0, &random) }
                peer.advance(.microseconds(Int64(random.below(30_000))))
                try SimulationFailure.unless(
                    peer.heldByteCount <= 300_000 + 40_000, "holds \(peer.heldByteCount) bytes")
            }
            if !peer.isOpen {
                try SimulationFailure.unless(peer.end?.code != .internal, "ended as \(peer.end as Any)")
            }
        }
    }
}
