import DXWire

/// The registrations, their groups and match keys, in memory. Policy is the machine's (`MatchServer`); here is only what is held
/// and how it is found.
///
/// Complexity: finding by handle or by key O(1); putting in and taking out O(1) and a move of four bytes for each member of the
/// group (at most 10,000). A registration takes 144 bytes and its blob's place, about 500 in all (`byteCount`).
///
/// Invariants: each slot in use is in `byHandle` and in `byMember`, in its group's `members`, and in one list of the wheel. A
/// group has members, a match key has groups.
struct Registry: Sendable {
    /// Each registration in its slot.
    private(set) var registrations = SlotStore<Registration>()
    /// Each group in its slot.
    private(set) var groups = SlotStore<RegistrationGroup>()
    /// Each match key in its slot.
    private(set) var matchKeys = SlotStore<RegistrationMatchKey>()
    /// The sealed candidates.
    private(set) var blobs = BlobStore()
    private var byHandle = SlotTable()
    private var byMember = SlotTable()
    private var byGroup = SlotTable()
    private var byMatchKey = SlotTable()
    private var wheel = ExpiryWheel()
    private let hash: SeededHash

    /// An empty registry.
    ///
    /// - Parameter seed: a secret: places in tables follow from it.
    init(seed: Block32) { hash = SeededHash(seed: seed) }

    // MARK: State

    /// The number of registrations.
    var count: Int { registrations.count }

    /// When `expire` must be called next; nil while nothing is held.
    var nextExpiry: Instant? { count == 0 ? nil : wheel.nextTurn }

    /// The bytes held.
    var byteCount: Int {
        var bytes = registrations.byteCount + groups.byteCount + matchKeys.byteCount + blobs.byteCount
        bytes += byHandle.byteCount + byMember.byteCount + byGroup.byteCount + byMatchKey.byteCount + wheel.byteCount
        for slot in 0..<groups.bound { bytes += groups[slot].members.capacity * 4 }
        return bytes
    }

    /// The longest way that a look-up goes, over all tables: for tests.
    var longestProbe: Int {
        max(byHandle.longestProbe, byMember.longestProbe, byGroup.longestProbe, byMatchKey.longestProbe)
    }

    /// The slot of the registration with this handle.
    func slot(of handle: Handle) -> UInt32? {
        byHandle.first(hash(handle.rawValue)) { registrations[$0].handle == handle }
    }

    /// The slot of a member of a group.
    func slot(of tag: MemberTag, in group: UInt32) -> UInt32? {
        byMember.first(hash(UInt64(group), tag.high, tag.low)) { slot in
            registrations[slot].group == group && registrations[slot].memberTag == tag
        }
    }

    /// The slot of a group.
    func group(_ tag: GroupTag, of matchKey: MatchKeyHash) -> UInt32? {
        guard let key = self.matchKey(matchKey) else { return nil }
        return byGroup.first(hash(UInt64(key), tag.high, tag.low)) {
            groups[$0].matchKey == key && groups[$0].tag == tag
        }
    }

    /// The slot of a match key.
    func matchKey(_ hash: MatchKeyHash) -> UInt32? {
        byMatchKey.first(self.hash(hash.high, hash.low)) { matchKeys[$0].hash == hash }
    }

    /// What the registration in a slot is kept under.
    func key(of slot: UInt32) -> RegistrationKey {
        let group = groups[registrations[slot].group]
        return RegistrationKey(
            matchKey: matchKeys[group.matchKey].hash, groupTag: group.tag, memberTag: registrations[slot].memberTag)
    }

    /// The place in a group's list of the first member whose tag is above `tag`.
    func place(after tag: MemberTag, in group: UInt32) -> Int {
        let members = groups[group].members
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if registrations[members[middle]].memberTag <= tag { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Changes

    /// Changes what is not found by: counts, marks, the end of life.
    mutating func update(_ slot: UInt32, _ body: (inout Registration) -> Void) { body(&registrations[slot]) }

    /// Remembers whether the match key of a registration is served only because it was admitted.
    mutating func note(isGuest: Bool, _ slot: UInt32) {
        matchKeys[groups[registrations[slot].group].matchKey].isGuest = isGuest
    }

    /// Takes one request from a group's rate.
    mutating func take(_ rate: RateMark.Rate, of group: UInt32, now: Instant) -> Bool {
        groups[group].requests.take(rate, now: now)
    }

    /// Puts a registration in that is not there. Its group, blob and place in the lists are made here.
    mutating func insert(_ key: RegistrationKey, _ facts: RegistrationFacts, blob: RawSpan, now: Instant) -> UInt32 {
        let group = makeGroup(key)
        let registration = Registration(
            memberTag: key.memberTag, group: group, instance: facts.instance, handle: facts.handle,
            handleKey: facts.handleKey, address: facts.address, revision: facts.revision,
            lastSequence: facts.sequence, expiresAt: now + .seconds(Int64(facts.lifetime)),
            seenChanges: groups[group].changes, blob: blobs.insert(blob), lifetime: facts.lifetime,
            socket: facts.socket)
        let slot = registrations.insert(registration)
        byHandle.insert(hash(facts.handle.rawValue), slot: slot)
        byMember.insert(hash(UInt64(group), key.memberTag.high, key.memberTag.low), slot: slot)
        let place = place(after: key.memberTag, in: group)
        groups[group].members.insert(slot, at: place)
        matchKeys[groups[group].matchKey].memberCount += 1
        changed(group, adding: digest(slot))
        wheel.insert(slot, in: &registrations, now: now)
        return slot
    }

    /// Puts new facts in place of those of a registration.
    mutating func replace(_ slot: UInt32, _ facts: RegistrationFacts, blob: RawSpan, now: Instant) {
        let group = registrations[slot].group
        let before = digest(slot)
        let sawAll = registrations[slot].seenChanges == groups[group].changes
        if registrations[slot].handle != facts.handle {
            byHandle.remove(hash(registrations[slot].handle.rawValue), slot: slot)
            byHandle.insert(hash(facts.handle.rawValue), slot: slot)
            registrations[slot].lastCount = 0
        }
        blobs.remove(registrations[slot].blob)
        let reference = blobs.insert(blob)
        update(slot) { registration in
            registration.instance = facts.instance
            registration.handle = facts.handle
            registration.handleKey = facts.handleKey
            registration.address = facts.address
            registration.revision = facts.revision
            registration.lastSequence = facts.sequence
            registration.expiresAt = now + .seconds(Int64(facts.lifetime))
            registration.blob = reference
            registration.lifetime = facts.lifetime
            registration.socket = facts.socket
        }
        wheel.move(slot, in: &registrations)
        let after = digest(slot)
        guard after != before else { return }
        changed(group, adding: after &- before)
        // A member need not ask for what it said itself.
        if sawAll { registrations[slot].seenChanges = groups[group].changes }
    }

    /// Takes a registration out, and its group and match key when they have no other.
    mutating func remove(_ slot: UInt32) {
        let registration = registrations[slot]
        let group = registration.group
        wheel.remove(slot, in: &registrations)
        changed(group, adding: 0 &- digest(slot))
        byHandle.remove(hash(registration.handle.rawValue), slot: slot)
        byMember.remove(
            hash(UInt64(group), registration.memberTag.high, registration.memberTag.low), slot: slot)
        groups[group].members.remove(at: place(after: registration.memberTag, in: group) - 1)
        blobs.remove(registration.blob)
        registrations.remove(slot)
        dropIfEmpty(group)
    }

    /// The next registration that has ended at `now`, to be removed; nil when there is none, or `budget` ran out, which counts
    /// how many may be looked at.
    mutating func nextExpired(now: Instant, budget: inout Int) -> UInt32? {
        wheel.nextExpired(in: &registrations, now: now, budget: &budget)
    }

    // MARK: Groups

    private mutating func makeGroup(_ key: RegistrationKey) -> UInt32 {
        if let group = group(key.groupTag, of: key.matchKey) { return group }
        let matchKey: UInt32
        if let known = self.matchKey(key.matchKey) {
            matchKey = known
        } else {
            matchKey = matchKeys.insert(RegistrationMatchKey(hash: key.matchKey))
            byMatchKey.insert(hash(key.matchKey.high, key.matchKey.low), slot: matchKey)
        }
        matchKeys[matchKey].groupCount += 1
        let group = groups.insert(RegistrationGroup(matchKey: matchKey, tag: key.groupTag))
        byGroup.insert(hash(UInt64(matchKey), key.groupTag.high, key.groupTag.low), slot: group)
        return group
    }

    private mutating func dropIfEmpty(_ group: UInt32) {
        let matchKey = groups[group].matchKey
        matchKeys[matchKey].memberCount -= 1
        guard groups[group].members.isEmpty else { return }
        let tag = groups[group].tag
        byGroup.remove(hash(UInt64(matchKey), tag.high, tag.low), slot: group)
        groups[group].members = []
        groups.remove(group)
        matchKeys[matchKey].groupCount -= 1
        guard matchKeys[matchKey].groupCount == 0 else { return }
        byMatchKey.remove(hash(matchKeys[matchKey].hash.high, matchKeys[matchKey].hash.low), slot: matchKey)
        matchKeys.remove(matchKey)
    }

    private mutating func changed(_ group: UInt32, adding difference: UInt64) {
        groups[group].changes &+= 1
        groups[group].digest &+= difference
    }

    /// A registration's part of its group's digest: of what others are told of it. Not seeded, so that instances that share a
    /// registry say the same; a member who finds two rosters with one digest has misled its own group only.
    private func digest(_ slot: UInt32) -> UInt64 {
        let registration = registrations[slot]
        var value = registration.memberTag.high
        func mix(_ part: UInt64) {
            value = (value ^ part) &* 0x9e37_79b9_7f4a_7c15
            value ^= value &>> 29
        }
        mix(registration.memberTag.low)
        mix(registration.revision)
        mix(registration.address.high)
        mix(registration.address.low)
        mix(UInt64(registration.address.port))
        return value
    }
}

/// What a registration is made of, whoever brought it.
struct RegistrationFacts: Sendable, BitwiseCopyable {
    /// The instance that has the socket; 0 is this one.
    var instance: UInt32 = 0
    /// Its name.
    var handle: Handle
    /// The key of REFRESH and notices.
    var handleKey: HandleKey
    /// Where it was proved to be.
    var address: Endpoint
    /// The socket on which it was heard.
    var socket: UInt8 = 0
    /// The member's count of registrations.
    var revision: UInt64
    /// The sequence of the REGISTER.
    var sequence: UInt64 = 0
    /// The lifetime granted, in seconds.
    var lifetime: UInt16
}
