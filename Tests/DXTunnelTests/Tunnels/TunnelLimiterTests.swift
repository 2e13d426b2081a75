import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXTunnel

@Suite struct TunnelLimiterTests {
    /// A sender that only counts.
    private final class Sender: RateLimitedSender {
        var isWaitingForTurn = false
        var left: Int
        var sent = 0
        /// What it sends at once, as a stream has room for so much.
        var most = Int.max
        /// Whom it wakes in the middle of its turn, as a connection may.
        var other: (limiter: TunnelLimiter, sender: Sender)?

        init(_ left: Int) { self.left = left }

        var sendableByteCount: Int { left }
        func send(atMost limit: Int) -> Int {
            let count = min(limit, left, most)
            left -= count
            sent += count
            if let other { other.limiter.submit(other.sender) }
            return count
        }
    }

    /// Runs `body` on an event loop of SwiftNIO's.
    private func onLoop<Result: Sendable>(
        _ body: @escaping @Sendable (any EventLoop) throws -> Result
    ) async throws -> Result {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.submit { try body(loop) }.get()
    }

    @Test func servesAllThatTheBurstHoldsAtOnce() async throws {
        try await onLoop { loop in
            let limiter = TunnelLimiter(bitsPerSecond: 8_000, on: loop)
            #expect(limiter.maximumRead == 16_384)
            let (first, second, third) = (Sender(6_000), Sender(10_000), Sender(50_000))
            first.other = (limiter, third)
            limiter.submit(first)
            limiter.submit(second)
            limiter.submit(third)
            // The first woke the third in its turn; the second shares what is left with it.
            #expect(first.left == 0 && !first.isWaitingForTurn)
            #expect(first.sent + second.sent + third.sent <= 16_384)
            #expect(first.sent + second.sent + third.sent > 16_384 - 1_200)
            #expect(second.isWaitingForTurn && third.isWaitingForTurn)
            #expect(limiter.waitCount == 1 && limiter.bitsPerSecond == 8_000)
            limiter.cancel()
        }
    }

    /// The rate is taken away: who waits sends all that its stream takes, not only a part and then nothing.
    @Test func whoWaitsWhenThereIsNoRateAnyMoreSendsAll() async throws {
        try await onLoop { loop in
            let limiter = TunnelLimiter(bitsPerSecond: 8_000, on: loop)
            let sender = Sender(500_000)
            sender.most = 10_000
            limiter.submit(sender)
            #expect(sender.left > 0)
            limiter.release()
            #expect(sender.left == 0 && !sender.isWaitingForTurn)
        }
    }

    /// The timer comes by itself, and for all who wait.
    @Test func servesTheRestInTime() async throws {
        struct Pair: Sendable {
            let limiter: NIOLoopBound<TunnelLimiter>
            let senders: NIOLoopBound<[Sender]>
        }
        let pair = try await onLoop { loop in
            let limiter = TunnelLimiter(bitsPerSecond: 40_000_000, on: loop)
            let senders = (0..<10).map { _ in Sender(50_000) }
            for sender in senders { limiter.submit(sender) }
            // The burst, and perhaps a turn more on a machine that paused; how much exactly is a matter of `RateTurnsTests`.
            #expect(senders.reduce(0) { $0 + $1.sent } < 500_000)
            return Pair(
                limiter: NIOLoopBound(limiter, eventLoop: loop), senders: NIOLoopBound(senders, eventLoop: loop))
        }
        try await Polling.wait(until: "all to be sent") {
            try await pair.senders.eventLoop.submit { pair.senders.value.allSatisfy { $0.left == 0 } }.get()
        }
        try await pair.senders.eventLoop.submit {
            #expect(pair.senders.value.allSatisfy { $0.sent == 50_000 && !$0.isWaitingForTurn })
            #expect(pair.limiter.value.waitCount > 1 && pair.limiter.value.waited > .zero)
        }.get()
    }

    /// Another rate serves those that wait at once, as far as it goes; no rate serves all of them, each once.
    @Test func theRateChangesWhileSendersWait() async throws {
        try await onLoop { loop in
            let limiter = TunnelLimiter(bitsPerSecond: 8_000, on: loop)
            let (first, second) = (Sender(400_000), Sender(500_000))
            limiter.submit(first)
            limiter.submit(second)
            let before = first.sent + second.sent
            #expect(before <= 16_384 && first.isWaitingForTurn && second.isWaitingForTurn)
            limiter.setRate(bitsPerSecond: 1_000_000_000)
            #expect(limiter.bitsPerSecond == 1_000_000_000 && limiter.maximumRead == TCPBridge.maximumRead)
            // A rate that is changed gives no burst.
            #expect(first.sent + second.sent < before + 250_000)
            #expect(first.isWaitingForTurn && second.isWaitingForTurn)
            limiter.release()
            #expect(first.left == 0 && second.left == 0)
            #expect(!first.isWaitingForTurn && !second.isWaitingForTurn)
        }
    }

    /// Nothing is held any more once it is cancelled, though a timer was armed.
    @Test func letsGoOfEverything() async throws {
        try await onLoop { loop in
            weak var released: Sender?
            weak var limiterReleased: TunnelLimiter?
            do {
                let limiter = TunnelLimiter(bitsPerSecond: 8_000, on: loop)
                limiterReleased = limiter
                do {
                    let sender = Sender(100_000)
                    limiter.submit(sender)
                    #expect(sender.isWaitingForTurn)
                    released = sender
                }
                #expect(released != nil)
                limiter.cancel()
                #expect(released == nil)
                let late = Sender(1)
                limiter.submit(late)
                #expect(late.sent == 0 && !late.isWaitingForTurn)
                limiter.cancel()
            }
            #expect(limiterReleased == nil)
        }
    }
}
