internal import DXStream
public import DXWire

/// What two applications do with a channel: which streams they open, what they send on each half, how fast they read.
/// Both ends hold the same plan, so each knows what must arrive.
public struct TrafficPlan: Sendable {
    /// The streams; a stream's internal port is its place here.
    public var streams: [StreamPlan] = []
    /// Bytes on the control stream from lower to upper, and from upper to lower.
    public var controlByteCounts: (upward: Int, downward: Int) = (0, 0)
    /// Unreliable messages from lower to upper, and from upper to lower.
    public var messageCounts: (upward: Int, downward: Int) = (0, 0)
    /// Between two control or unreliable messages.
    public var messageSpacing: Interval = .milliseconds(20)

    /// Nothing.
    public init() {}

    /// One stream.
    public struct StreamPlan: Sendable {
        /// Who opens it.
        public var opener: ChannelRole
        /// When, counted from the beginning.
        public var opensAfter: Interval = .zero
        /// How urgent it is.
        public var streamClass: StreamClass = .bulk
        /// Its weight.
        public var share: UInt16 = 1
        /// From the opener.
        public var forward: HalfPlan
        /// To the opener.
        public var backward: HalfPlan

        /// A stream with these halves.
        public init(opener: ChannelRole, forward: HalfPlan, backward: HalfPlan) {
            self.opener = opener
            self.forward = forward
            self.backward = backward
        }

        /// A stream whose opener sends `byteCount` bytes as fast as it can and gets nothing back.
        public static func bulk(_ byteCount: UInt64, from opener: ChannelRole = .lower) -> StreamPlan {
            StreamPlan(opener: opener, forward: HalfPlan(byteCount: byteCount), backward: HalfPlan(byteCount: 0))
        }
    }

    /// One direction of a stream.
    public struct HalfPlan: Sendable {
        /// How many bytes are written.
        public var byteCount: UInt64
        /// The bounds of a single write.
        public var writeSize: ClosedRange<Int> = 1...65_536
        /// The longest pause before the next write; zero writes whenever there is room.
        public var writePause: Interval = .zero
        /// What comes after the bytes.
        public var ending: Ending = .finish
        /// The longest pause before the next read; zero reads whatever is there.
        public var readPause: Interval = .zero
        /// The reader wants no more after so many bytes (STOP).
        public var stopsAfter: UInt64?

        /// What comes after the bytes.
        public enum Ending: Sendable, Equatable {
            /// FIN.
            case finish
            /// RESET: what was not acknowledged by then may not arrive.
            case reset(StreamCode)
        }

        /// `byteCount` bytes, written and read as fast as the channel allows.
        public init(byteCount: UInt64) { self.byteCount = byteCount }
    }

    /// The code with which every reader of a plan stops.
    public static let stopCode = StreamCode.limit

    // MARK: Random plans

    /// A mix of everything: sizes, classes, paces, half-closes, resets, stops. About `byteCount` stream bytes in all.
    public init(random: inout RandomSource, byteCount: UInt64) {
        let count = 1 + Int(random.below(random.chance(0.1) ? 40 : 8))
        var left = byteCount
        for index in 0..<count {
            // The last takes what is left.
            let part = index == count - 1 ? left : min(left, random.below(max(1, 2 * byteCount / UInt64(count))))
            left -= part
            streams.append(Self.randomStream(&random, byteCount: part))
        }
        if random.chance(0.5) { controlByteCounts = (Int(random.below(30_000)), Int(random.below(30_000))) }
        if random.chance(0.5) { messageCounts = (Int(random.below(50)), Int(random.below(50))) }
        messageSpacing = .microseconds(Int64(1_000 + random.below(40_000)))
    }

    private static func randomStream(_ random: inout RandomSource, byteCount: UInt64) -> StreamPlan {
        // Most of it one way; sometimes both.
        let forward = random.chance(0.3) ? random.below(byteCount + 1) : byteCount
        var stream = StreamPlan(
            opener: random.chance(0.5) ? .lower : .upper, forward: randomHalf(&random, byteCount: forward),
            backward: randomHalf(&random, byteCount: random.chance(0.7) ? byteCount - forward : byteCount / 2))
        if random.chance(0.5) { stream.opensAfter = .microseconds(Int64(random.below(3_000_000))) }
        if random.chance(0.3) { stream.streamClass = .interactive }
        stream.share = UInt16(1 + random.below(256))
        if random.chance(0.2) { swap(&stream.forward, &stream.backward) }
        return stream
    }

    private static func randomHalf(_ random: inout RandomSource, byteCount: UInt64) -> HalfPlan {
        var half = HalfPlan(byteCount: byteCount)
        let largest = 1 + Int(random.below(random.chance(0.3) ? 200 : 65_536))
        half.writeSize = 1...max(largest, Int(byteCount / 400))
        if random.chance(0.3) { half.writePause = pause(&random, steps: byteCount / UInt64(half.writeSize.upperBound)) }
        if random.chance(0.3) { half.readPause = pause(&random, steps: byteCount / 16_384) }
        if random.chance(0.15) { half.ending = .reset(StreamCode(rawValue: random.below(100))) }
        if random.chance(0.1) { half.stopsAfter = random.below(byteCount + 1) }
        return half
    }

    /// A pause that makes `steps` of them last some seconds at most.
    private static func pause(_ random: inout RandomSource, steps: UInt64) -> Interval {
        .microseconds(Int64(random.below(5_000_000 / max(1, steps)) + 1))
    }
}
