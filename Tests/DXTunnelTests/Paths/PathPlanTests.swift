import DXWire
import Testing

@testable import DXTunnel

/// Which paths there are to be.
@Suite struct PathPlanTests {
    private static let wired = source(0xc000_0201, 2)
    private static let mobile = source(0xc633_6401, 3, .backup)
    private static let wiredV6 = PathPlan.Source(
        address: Endpoint(v6High: 0x2001_0db8 << 32, low: 1, port: 0), interface: 2,
        use: PathRules.Use(preference: .primary))
    private static let near = Endpoint(v4: 0xc000_0202, port: 7)
    private static let far = Endpoint(v4: 0xcb00_7109, port: 7)
    private static let farV6 = Endpoint(v6High: 0x2001_0db8 << 32 | 9, low: 9, port: 7)

    private static func source(
        _ address: UInt32, _ interface: UInt32, _ preference: PathRules.Preference = .primary, known: Bool = false
    ) -> PathPlan.Source {
        PathPlan.Source(
            address: Endpoint(v4: address, port: 0), interface: interface, use: PathRules.Use(preference: preference),
            isKnownToPeer: known)
    }

    private static func pair(_ source: PathPlan.Source, _ remote: Endpoint) -> PathPlan.Pair {
        PathPlan.Pair(local: source.address, remote: remote, interface: source.interface)
    }

    private static func plan(
        _ role: ChannelRole = .lower, limit: Int = PathPlan.usualLimit, sources: [PathPlan.Source],
        remotes: [Endpoint], now: Instant = .zero
    ) -> PathPlan {
        var plan = PathPlan(role: role, limit: limit, random: RandomSource(seed: 1))
        plan.setSources(sources, now: now)
        plan.setRemotes(remotes, now: now)
        return plan
    }

    private static func id(_ count: UInt32) -> PathID { PathID(count: count, role: .lower) }

    /// Everything that is wanted comes up at once; what was opened, in order.
    @discardableResult
    private static func bringUp(_ plan: inout PathPlan, now: Instant = .zero, from first: UInt32 = 1) -> [PathPlan.Pair]
    {
        var opened: [PathPlan.Pair] = []
        while let action = plan.pollAction(now: now), opened.count < 100 {
            guard case .open(let pair, _) = action else { continue }
            opened.append(pair)
            plan.attached(id(first + UInt32(opened.count)), local: pair.local, remote: pair.remote, now: now)
        }
        return opened
    }

    @Test func theBestIsOpenedFirstAndThenWhatIsMostDifferent() {
        var plan = Self.plan(
            sources: [Self.mobile, Self.wired, Self.wiredV6], remotes: [Self.near, Self.far, Self.farV6], now: .zero)
        let opened = Self.bringUp(&plan)
        #expect(opened.count == 4 && plan.sessionCount == 4)
        #expect(opened[0].interface == 2 && opened[1].interface == 3, "Ethernet, then the other interface: \(opened)")
        #expect(opened.contains(Self.pair(Self.wiredV6, Self.farV6)), "the other IP version is among them")
        #expect(plan.pollAction(now: .zero) == nil && plan.nextTimeout == nil)
    }

    @Test func noMoreThanTwoHandshakesAtATime() {
        var plan = Self.plan(sources: [Self.wired, Self.mobile], remotes: [Self.near, Self.far])
        guard case .open(let first, _) = plan.pollAction(now: .zero), case .open = plan.pollAction(now: .zero) else {
            Issue.record("two are opened")
            return
        }
        #expect(plan.pollAction(now: .zero) == nil && plan.nextTimeout == nil)
        plan.attached(Self.id(1), local: first.local, remote: first.remote, now: .zero)
        #expect(plan.nextTimeout == .zero)
        guard case .open = plan.pollAction(now: .zero) else {
            Issue.record("the third when one is there")
            return
        }
    }

    @Test func anAddressThatIsGoneRetiresItsPathsAtOnce() {
        var plan = Self.plan(sources: [Self.wired, Self.mobile], remotes: [Self.far])
        #expect(Self.bringUp(&plan).count == 2)
        plan.setSources([Self.mobile], now: .zero + .seconds(5))
        #expect(plan.pollAction(now: .zero + .seconds(5)) == .retire(Self.id(2)))
        #expect(plan.pollAction(now: .zero + .seconds(5)) == nil && plan.sessionCount == 1)
        // Back again, it is opened at once.
        plan.setSources([Self.wired, Self.mobile], now: .zero + .seconds(6))
        guard case .open(Self.pair(Self.wired, Self.far), _) = plan.pollAction(now: .zero + .seconds(6)) else {
            Issue.record("opened again")
            return
        }
    }

    /// Pauses double from a second to five minutes, with a quarter more by chance at most.
    @Test func aPairThatFailsRestsLongerEachTime() throws {
        var plan = Self.plan(sources: [Self.wired], remotes: [Self.far])
        var now = Instant.zero
        var pauses: [Interval] = []
        for _ in 0..<12 {
            guard case .open(let pair, _) = plan.pollAction(now: now) else {
                Issue.record("it is tried again at \(now)")
                return
            }
            plan.failed(pair, now: now)
            #expect(plan.pollAction(now: now) == nil)
            let next = try #require(plan.nextTimeout)
            pauses.append(next - now)
            now = next
        }
        for (place, pause) in pauses.enumerated() {
            let least = min(Interval.seconds(1 << Int64(min(place, 9))), .seconds(300))
            #expect(pause >= least && pause <= least * 5 / 4, "pause \(place): \(pause)")
        }
        // Another network: at once.
        let other = Self.source(0x0a00_0001, 2)
        plan.setSources([other], now: now - .seconds(100))
        #expect(plan.nextTimeout.map { $0 <= now - .seconds(100) } == true)
    }

    /// One that worked for long and then ended is tried as if it were the first time.
    @Test func whatHasWorkedIsTriedSoon() throws {
        var plan = Self.plan(sources: [Self.wired], remotes: [Self.far])
        for time in [Int64(0), 2, 5] {
            guard case .open(let pair, _) = plan.pollAction(now: .zero + .seconds(time)) else { continue }
            plan.failed(pair, now: .zero + .seconds(time))
        }
        let due = try #require(plan.nextTimeout)
        guard case .open(let pair, _) = plan.pollAction(now: due) else {
            Issue.record("due")
            return
        }
        plan.attached(Self.id(1), local: pair.local, remote: pair.remote, now: due)
        plan.ended(Self.id(1), now: due + .seconds(40))
        let next = try #require(plan.nextTimeout)
        #expect(next <= due + .seconds(40) + .milliseconds(1_250))
    }

    /// Both ends would begin at once: the upper one lets the other, unless that cannot know where to.
    @Test func theUpperEndWaitsWhereTheOtherCanBegin() {
        let known = Self.source(0xc000_0201, 2, known: true)
        var plan = Self.plan(.upper, sources: [known, Self.mobile], remotes: [Self.far])
        guard case .open(Self.pair(Self.mobile, Self.far), _) = plan.pollAction(now: .zero) else {
            Issue.record("the unknown one at once")
            return
        }
        #expect(plan.pollAction(now: .zero) == nil)
        // The other end has begun: nothing is left to do.
        var quiet = plan
        quiet.attached(Self.id(9), local: known.address, remote: Self.far, now: .zero + .seconds(1))
        #expect(quiet.pollAction(now: .zero + .seconds(60)) == nil)
        guard let due = plan.nextTimeout, case .open(Self.pair(known, Self.far), _) = plan.pollAction(now: due) else {
            Issue.record("it begins after all")
            return
        }
        #expect(due > .zero)
    }

    /// Beyond the limit an interface that has no path yet replaces the second one of another, and not before it is up.
    @Test func anotherInterfaceTakesTheSecondPlaceOfOne() {
        var plan = Self.plan(limit: 2, sources: [Self.wired], remotes: [Self.near, Self.far])
        #expect(Self.bringUp(&plan).map(\.interface) == [2, 2])
        plan.setSources([Self.wired, Self.mobile], now: .zero)
        guard case .open(let pair, _) = plan.pollAction(now: .zero) else {
            Issue.record("opened first")
            return
        }
        #expect(pair.interface == 3)
        #expect(plan.pollAction(now: .zero) == nil)
        plan.attached(Self.id(9), local: pair.local, remote: pair.remote, now: .zero)
        guard case .retire(let id) = plan.pollAction(now: .zero) else {
            Issue.record("one retires")
            return
        }
        #expect(id != Self.id(9))
        #expect(plan.pollAction(now: .zero) == nil && plan.sessionCount == 2)
    }

    @Test func whatCannotReachOneAnotherIsNoPair() {
        let linkLocal = Endpoint(v6High: 0xfe80 << 48, low: 9, scope: 3, port: 7)
        let loopback = Endpoint(v4: 0x7f00_0001, port: 7)
        var plan = Self.plan(
            sources: [Self.wired, Self.wiredV6],
            remotes: [linkLocal, loopback, Endpoint(v4: 0, port: 7), Endpoint(v4: 0x0808_0808, port: 0)])
        #expect(plan.pollAction(now: .zero) == nil && plan.nextTimeout == nil)
        let own = PathPlan.Source(
            address: Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 3, port: 0), interface: 3,
            use: PathRules.Use(preference: .primary))
        plan.setSources([Self.wiredV6, own], now: .zero)
        #expect(Self.bringUp(&plan) == [Self.pair(own, linkLocal)])
    }

    /// However much a peer says of itself, what is sent to is limited in number and pace.
    @Test func aPeerWithManyAddressesIsTriedSlowly() {
        let many = (1...200).map { Endpoint(v4: 0x0a00_0000 | $0, port: 7) }
        var plan = Self.plan(sources: [Self.wired, Self.mobile], remotes: many)
        var tried: Set<Endpoint> = []
        var attempts = 0
        var now = Instant.zero
        while now < .zero + .seconds(600) {
            while case .open(let pair, _) = plan.pollAction(now: now) {
                tried.insert(pair.remote)
                attempts += 1
                plan.failed(pair, now: now)
                guard attempts < 10_000 else {
                    Issue.record("without end")
                    return
                }
            }
            now = max(plan.nextTimeout ?? .distantFuture, now + .milliseconds(1))
        }
        #expect(tried.count <= PathPlan.mostRemotes)
        // 32 pairs, each nine or ten times in ten minutes.
        #expect(attempts <= 32 * 11, "\(attempts)")
    }

    /// Whatever happens in whatever order: never more sessions opened than wanted and being replaced, and it comes to rest.
    @Test(arguments: 0..<40 as Range<UInt64>) func anyOrderOfEvents(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var plan = PathPlan(role: seed % 2 == 0 ? .lower : .upper, random: RandomSource(seed: seed))
        let sources = [Self.wired, Self.mobile, Self.wiredV6, Self.source(0x0a00_0001, 5), Self.source(0xc000_0203, 2)]
        let remotes = [Self.near, Self.far, Self.farV6, Endpoint(v4: 0x0a00_0002, port: 9)]
        var now = Instant.zero
        var open: [PathPlan.Pair] = []
        var up: [PathID] = []
        var count: UInt32 = 0
        for _ in 0..<400 {
            now += .milliseconds(Int64(random.below(3_000)))
            switch random.below(6) {
            case 0: plan.setSources(sources.filter { _ in random.chance(0.7) }, now: now)
            case 1: plan.setRemotes(remotes.filter { _ in random.chance(0.7) }, now: now)
            case 2: if !open.isEmpty { plan.failed(open.removeFirst(), now: now) }
            case 3:
                guard !open.isEmpty else { break }
                let pair = open.removeFirst()
                count += 1
                up.append(Self.id(count))
                plan.attached(Self.id(count), local: pair.local, remote: pair.remote, now: now)
            case 4: if let id = up.popLast() { plan.ended(id, now: now) }
            default: break
            }
            var actions = 0
            while let action = plan.pollAction(now: now) {
                actions += 1
                guard actions < 100 else {
                    Issue.record("it does not come to rest")
                    return
                }
                switch action {
                case .open(let pair, _): open.append(pair)
                case .retire(let id): up.removeAll { $0 == id }
                }
            }
            #expect(plan.sessionCount <= PathPlan.usualLimit + 2 + sources.count, "\(plan.sessionCount)")
            if let next = plan.nextTimeout { #expect(next > now) }
        }
    }
}
