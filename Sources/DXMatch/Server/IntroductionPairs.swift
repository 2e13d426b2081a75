import DXWire

/// Who was introduced to whom in the last minute, in bounded memory: eight introductions for each pair, each known by its nonce.
///
/// Complexity: O(1): eight places are looked at. Which eight is a seeded hash's choice.
struct IntroductionPairs: Sendable {
    /// What is to become of an introduction.
    enum Outcome: Equatable {
        /// It is new.
        case new
        /// It was made already.
        case known
        /// The pair had its share.
        case tooOften
    }

    private struct Place: Sendable, BitwiseCopyable {
        /// The hash of asker and other; 0 where nothing was ever.
        var pair: UInt64 = 0
        var beganAt = Instant.zero
        var count = 0
        var nonces: [8 of UInt64] = .init(repeating: 0)
    }

    /// The nonces that fit a place.
    static let maximumPerPair = 8
    private static let ways = 8
    private static let span = Interval.seconds(60)

    private let hash: SeededHash
    private let perPair: Int
    private var places: [Place]

    /// Nobody was introduced. `capacity` is brought to a power of two, 8 to 2^20, `perPair` into 1 to 8.
    init(perPair: Int, capacity: Int, seed: Block32) {
        self.perPair = max(1, min(perPair, Self.maximumPerPair))
        hash = SeededHash(seed: seed)
        var count = Self.ways
        while count < min(capacity, 1 << 20) { count *= 2 }
        places = [Place](repeating: Place(), count: count)
    }

    /// What is to become of an introduction of `asker` to `other`; looks only.
    func outcome(_ asker: Handle, _ other: Handle, nonce: UInt64, now: Instant) -> Outcome {
        let pair = name(asker, other)
        guard let index = index(pair), !isOver(index, now: now) else { return .new }
        for place in 0..<places[index].count where places[index].nonces[place] == nonce { return .known }
        return places[index].count < perPair ? .new : .tooOften
    }

    /// Remembers an introduction that `outcome` called new, where there is room for it.
    mutating func remember(_ asker: Handle, _ other: Handle, nonce: UInt64, now: Instant) {
        let pair = name(asker, other)
        guard let index = index(pair) ?? freeIndex(pair, now: now) else { return }
        if places[index].pair != pair || isOver(index, now: now) { places[index] = Place(pair: pair, beganAt: now) }
        places[index].nonces[places[index].count] = nonce
        places[index].count += 1
    }

    /// The bytes held: never more than at the beginning.
    var byteCount: Int { places.capacity * MemoryLayout<Place>.stride }

    private func name(_ asker: Handle, _ other: Handle) -> UInt64 { max(1, hash(asker.rawValue, other.rawValue)) }

    private func range(_ pair: UInt64) -> Range<Int> {
        let start = Int(truncatingIfNeeded: pair) & (places.count &- 1) & ~(Self.ways &- 1)
        return start..<(start &+ Self.ways)
    }

    private func index(_ pair: UInt64) -> Int? { range(pair).first { places[$0].pair == pair } }

    private func freeIndex(_ pair: UInt64, now: Instant) -> Int? { range(pair).first { isOver($0, now: now) } }

    private func isOver(_ index: Int, now: Instant) -> Bool {
        places[index].pair == 0 || now - places[index].beganAt >= Self.span
    }
}
