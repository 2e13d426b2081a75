import DXWire
import Testing

@testable import DXMatch

/// What a million registrations need: room, speed, an end, and tables that nobody can spoil.
@Suite struct RegistryTests {
    private static let seed = Block32(1, 2, 3, 4)

    private func key(_ number: Int, groups: Int) -> RegistrationKey {
        RegistrationKey(
            matchKey: MatchKeyHash(high: 1, low: UInt64(number % groups % 97)),
            groupTag: GroupTag(high: 2, low: UInt64(number % groups)),
            memberTag: MemberTag(high: UInt64(number), low: 3))
    }

    private func facts(_ number: Int, lifetime: UInt16 = 600) -> RegistrationFacts {
        RegistrationFacts(
            handle: Handle(rawValue: UInt64(number) + 1), handleKey: HandleKey(high: 0, low: 0),
            address: Endpoint(v4: UInt32(number), port: 1), revision: 1, lifetime: lifetime)
    }

    /// The figure that a million rests on (`docs/matchmaking.md` §4.1): 300 bytes of blob, groups of ten.
    @Test func aRegistrationTakesLessThan600Bytes() {
        var registry = Registry(seed: Self.seed)
        let blob = [UInt8](repeating: 5, count: 300)
        for number in 0..<100_000 {
            _ = registry.insert(key(number, groups: 10_000), facts(number), blob: blob.raw, now: .zero)
        }
        let each = registry.byteCount / 100_000
        #expect(each < 600, "\(each) bytes")
        #expect(MemoryLayout<Registration>.stride <= 168)
        #expect(registry.count == 100_000 && registry.groups.count == 10_000)
        #expect(registry.longestProbe < 64)
        for number in stride(from: 0, to: 100_000, by: 997) {
            let slot = registry.slot(of: Handle(rawValue: UInt64(number) + 1))
            #expect(slot.map { registry.key(of: $0) } == key(number, groups: 10_000))
        }
    }

    /// All end in a time that is shared out: no call looks at more than it may, and none is forgotten.
    @Test func endsAreFoundInTurns() {
        var registry = Registry(seed: Self.seed)
        for number in 0..<20_000 {
            let lifetime = UInt16(60 + number % 7_141)
            _ = registry.insert(
                key(number, groups: 100), facts(number, lifetime: lifetime), blob: RawSpan(), now: .zero)
        }
        var now = Instant.zero
        var ended = 0
        while let next = registry.nextExpiry {
            now = max(now, next)
            var budget = 100
            while let slot = registry.nextExpired(now: now, budget: &budget) {
                let registration = registry.registrations[slot]
                #expect(registration.expiresAt <= now && now - registration.expiresAt < .seconds(1))
                registry.remove(slot)
                ended += 1
            }
            #expect(budget >= 0)
        }
        #expect(ended == 20_000 && registry.count == 0 && registry.groups.count == 0)
    }

    /// A matchmaker that was stopped for hours goes on where it should, and ends nobody too early.
    @Test(arguments: [900, 993, 2_000, 8_191, 8_192, 8_193, 16_384, 100_000])
    func aLongPauseEndsWhoeverHadHisTime(pause: Int64) {
        var registry = Registry(seed: Self.seed)
        for number in 0..<100 {
            _ = registry.insert(key(number, groups: 3), facts(number, lifetime: 60), blob: RawSpan(), now: .zero)
        }
        let now = Instant.zero + .seconds(pause)
        // They came while the wheel stood still.
        for number in 100..<300 {
            let lifetime = UInt16(60 + (number - 100) * 35)
            _ = registry.insert(key(number, groups: 3), facts(number, lifetime: lifetime), blob: RawSpan(), now: now)
        }
        var budget = 100_000
        while let slot = registry.nextExpired(now: now, budget: &budget) { registry.remove(slot) }
        #expect(budget > 0 && registry.count == 200)
        var time = now
        while let next = registry.nextExpiry {
            time = max(time, next)
            var budget = 100_000
            while let slot = registry.nextExpired(now: time, budget: &budget) {
                let late = time - registry.registrations[slot].expiresAt
                #expect(late >= .zero && late < .seconds(1))
                registry.remove(slot)
            }
        }
        #expect(time - now < .seconds(7_200))
    }

    @Test func aRefreshedRegistrationMovesInTheWheelOnce() {
        var registry = Registry(seed: Self.seed)
        let slot = registry.insert(key(1, groups: 1), facts(1, lifetime: 60), blob: RawSpan(), now: .zero)
        var now = Instant.zero
        for _ in 0..<100 {
            now += .seconds(25)
            registry.update(slot) { $0.expiresAt = now + .seconds(60) }
            var budget = 10
            let ended = registry.nextExpired(now: now, budget: &budget)
            #expect(ended == nil && budget >= 9)
        }
        now += .seconds(61)
        var budget = 10
        let ended = registry.nextExpired(now: now, budget: &budget)
        #expect(ended == slot)
    }

    /// Tags that a stranger chooses, all alike but for their last bits: the seed alone decides where they go.
    @Test func chosenTagsDoNotMeet() {
        var registry = Registry(seed: Block32(0x9e37, 0x79b9, 0, 0))
        for number in 0..<20_000 {
            let key = RegistrationKey(
                matchKey: MatchKeyHash(high: 0, low: 1), groupTag: GroupTag(high: 0, low: UInt64(number / 10_000)),
                memberTag: MemberTag(high: 0, low: UInt64(number % 10_000) << 50))
            _ = registry.insert(key, facts(number), blob: RawSpan(), now: .zero)
        }
        #expect(registry.longestProbe < 64)
    }
}

/// The parts that the registry is made of.
@Suite struct RegistryPartTests {
    /// From another implementation of SipHash-1-3, with a zero key, over the words as little-endian bytes.
    @Test(
        arguments: [
            (0, 0, 0, 0xf900_3207_cf9e_4d4c), (1, 2, 3, 0x8acb_6513_5d8f_2da1),
            (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x1716_1514_1312_1110, 0x3118_5a47_af93_2f3a),
        ] as [(UInt64, UInt64, UInt64, UInt64)])
    func theHashIsSipHash(first: UInt64, second: UInt64, third: UInt64, expected: UInt64) {
        #expect(SeededHash(seed: .zero)(first, second, third) == expected)
        #expect(SeededHash(seed: Block32(1, 0, 0, 0))(first, second, third) != expected)
    }

    @Test(arguments: [UInt64.max, 0xff, 1])
    func theTableIsADictionary(bits: UInt64) {
        var random = RandomSource(seed: bits)
        var table = SlotTable()
        var dictionary: [UInt32: UInt64] = [:]
        for _ in 0..<8_000 {
            let slot = UInt32(random.below(400))
            if let hash = dictionary[slot] {
                #expect(table.first(hash) { $0 == slot } == slot)
                table.remove(hash, slot: slot)
                dictionary[slot] = nil
            } else {
                // Few bits: everything collides.
                let hash = random.next() & bits
                #expect(table.first(hash) { $0 == slot } == nil)
                table.insert(hash, slot: slot)
                dictionary[slot] = hash
            }
            #expect(table.count == dictionary.count)
        }
        for (slot, hash) in dictionary { #expect(table.first(hash) { $0 == slot } == slot) }
    }

    @Test func blobsStayWhatTheyAre() {
        var random = RandomSource(seed: 3)
        var store = BlobStore()
        var held: [(BlobStore.Reference, [UInt8])] = []
        for round in 0..<20_000 {
            if held.count > 500 || (round > 1_000 && random.chance(0.5)) {
                let (reference, bytes) = held.remove(at: Int(random.below(UInt64(held.count))))
                #expect(store.bytes(reference) == bytes)
                #expect(Written.bytes { store.write(reference, to: &$0) } == bytes)
                store.remove(reference)
            } else {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: Int(random.below(601)))
                held.append((store.insert(bytes.raw), bytes))
            }
        }
        for (reference, bytes) in held { #expect(store.bytes(reference) == bytes) }
        // What was freed was used again.
        #expect(store.byteCount < 3_000_000)
    }

    /// A mark allows what a bucket of tokens allows.
    @Test(arguments: [(1, 1), (4, 20), (50, 100), (1_000, 3)])
    func aMarkIsABucket(perSecond: Int, burst: Int) {
        var random = RandomSource(seed: UInt64(perSecond))
        var bucket = TokenBucket(perSecond: perSecond, burst: burst)
        let rate = RateMark.Rate(perSecond, in: .seconds(1), burst: burst)
        var mark = RateMark()
        var now = Instant.zero + .seconds(1)
        for _ in 0..<5_000 {
            // In steps that both count without a rest.
            now += .milliseconds(Int64(random.below(UInt64(3_000 / perSecond + 2))))
            let (isTaken, isExpected) = (mark.take(rate, now: now), bucket.take(now: now))
            #expect(isTaken == isExpected)
            #expect(mark.isFull(now: now) == bucket.isFull(now: now))
        }
    }

    @Test func aLineKeepsItsOrder() {
        var line = Line<Int>()
        var (next, taken) = (0, 0)
        for round in 0..<1_000 {
            for _ in 0..<(round % 7) {
                line.append(next)
                next += 1
            }
            for _ in 0..<(round % 5) where line.first != nil {
                let first = line.popFirst()
                #expect(first == taken)
                taken += 1
            }
            #expect(line.count == next - taken)
        }
        line.removeAll()
        #expect(line.first == nil && line.count == 0)
    }
}
