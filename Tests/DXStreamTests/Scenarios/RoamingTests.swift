import DXSimulator
import DXStream
import DXWire
import NIOCore
import Testing

/// A session is heard from another address: a NAT forgot its mapping, a device changed its network.
@Suite struct RoamingTests {
    private static let newAddress: UInt32 = 77
    private static let path = PathID(count: 0, role: .lower)

    @Test(arguments: [ChannelRole.lower, .upper]) func theTransferFollows(receiver: ChannelRole) throws {
        try Replay.run("RoamingTests") { seed, log in
            let pair = try pair(seed: seed, log: log, sender: receiver.other)
            let mover = pair.lower
            pair.after(.milliseconds(500)) { _ in mover.address = Self.newAddress }
            try pair.runUntilDone()
            #expect(pair.upper.remote(of: Self.path) == Self.newAddress)
            #expect(pair.upper.pathEvents.contains(.pathValidated(Self.path)))
            #expect(pair.lower.pathEvents.allSatisfy { $0 != .pathValidated(Self.path) })
            // Undisturbed it takes 1.7 s. What was on the way to the old address is gone, and the window starts anew.
            #expect(pair.now - VirtualClock().now < .seconds(5), "over at \(pair.now)")
        }
    }

    /// Who only receives is found at a new address by what it sends: so it asks once when a transfer falls silent, and not at
    /// all after what is no transfer.
    @Test(arguments: [(UInt64(2_000_000), UInt64(1)), (8_000, 0)])
    func asksOnceWhenATransferFallsSilent(byteCount: UInt64, pings: UInt64) throws {
        let pair = try pair(seed: 1, log: nil, sender: .upper, byteCount: byteCount)
        try pair.runUntilDone()
        // The last acknowledgement, and the first probe of the MTU's search, are on their way.
        try pair.run(for: .milliseconds(400))
        let before = pair.lower.channel.pathSnapshots[0].statistics.packetsSent
        try pair.run(for: .seconds(10))
        #expect(pair.lower.channel.pathSnapshots[0].statistics.packetsSent - before == pings)
    }

    /// Someone who sees the packets sends a copy of one from his own address before the original arrives. He cannot
    /// answer the challenge, so the path stays where it is, and he gets no more than three times what he sent.
    @Test func aCopyFromElsewhereMovesNothing() throws {
        let pair = try pair(seed: 3, log: nil, sender: .upper)
        let thief = Thief(address: Self.newAddress, from: pair.now + .milliseconds(400))
        pair.network.route(
            from: Pair.lowerAddress, to: Pair.upperAddress, over: Link([thief, Delay(.milliseconds(20))]))
        let loot = Link([])
        pair.network.route(from: Pair.upperAddress, to: Self.newAddress, over: loot)
        try pair.runUntilDone()
        #expect(thief.stolenByteCount > 0)
        #expect(pair.upper.remote(of: Self.path) == Pair.lowerAddress)
        #expect(!pair.upper.pathEvents.contains(.pathValidated(Self.path)))
        #expect(loot.enteredCount > 0, "the candidate was challenged")
        let sent = loot.arrivedByteCount - loot.arrivedCount * Datagram.headerByteCount
        #expect(sent <= 3 * thief.stolenByteCount, "\(sent) bytes for \(thief.stolenByteCount)")
        #expect(pair.now - VirtualClock().now < .seconds(4), "over at \(pair.now)")
    }

    /// The device moves on before the first new address was proved.
    @Test func followsASecondMove() throws {
        let pair = try pair(seed: 4, log: nil, sender: .upper)
        pair.after(.milliseconds(500)) { $0.lower.address = 70 }
        pair.after(.milliseconds(515)) { $0.lower.address = 71 }
        pair.after(.milliseconds(900)) { $0.lower.address = 72 }
        try pair.runUntilDone()
        #expect(pair.upper.remote(of: Self.path) == 72)
        #expect(pair.now - VirtualClock().now < .seconds(27), "over at \(pair.now)")
    }

    private func pair(
        seed: UInt64, log: FlowLog?, sender: ChannelRole, byteCount: UInt64 = 2_000_000
    ) throws -> Pair {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.log = log
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(byteCount, from: sender)]
        return try Pair(
            setup, upward: .steady(megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(60)),
            downward: .steady(megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(60)),
            lower: Traffic(plan, role: .lower, seed: seed, start: start),
            upper: Traffic(plan, role: .upper, seed: seed, start: start))
    }

    /// Sends a copy of every tenth datagram from another address, just ahead of the original, which the replay window
    /// then drops.
    private final class Thief: Node {
        private let address: UInt32
        private let from: Instant
        private var count = 0
        private(set) var stolenByteCount = 0

        init(address: UInt32, from: Instant) {
            self.address = address
            self.from = from
        }

        func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
            count += 1
            if now >= from && count % 10 == 0 {
                var copy = datagram
                copy.source = address
                stolenByteCount += copy.bytes.readableBytes
                output.append(copy)
            }
            output.append(datagram)
        }
    }
}
