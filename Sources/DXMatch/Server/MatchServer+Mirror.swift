public import DXWire

/// What instances that share their registrations tell each other. Whoever carries it (a store with subscriptions) hands in what
/// others said, and passes on what `pollEvent` says here. What comes in is not checked: it is a matchmaker's word.
///
/// A registration belongs to the instance that heard it last. The others list it too, so that rosters and introductions are the
/// same everywhere; what they are asked to tell its member they hand to its instance, whose socket its NAT lets through.
extension MatchServer {
    /// Takes a registration that another instance made or renewed. One with a lower revision than the held one is old and is not
    /// taken; of two with the same revision the one that comes later is.
    ///
    /// - Returns: whether it was taken: not when it is old, is this instance's, is too large, or there is no room.
    @discardableResult
    public mutating func mirror(_ registration: MirroredRegistration, now: Instant) -> Bool {
        guard registration.instance != 0, registration.blob.count <= MatchConstants.maximumBlob else { return false }
        let lifetime = min(max(registration.lifetime, 1), MatchConstants.maximumLifetime)
        let facts = RegistrationFacts(
            instance: registration.instance, handle: registration.handle, handleKey: registration.handleKey,
            address: registration.address, revision: registration.revision, lifetime: lifetime)
        let key = registration.key
        let group = registry.group(key.groupTag, of: key.matchKey)
        let held = group.flatMap { registry.slot(of: key.memberTag, in: $0) }
        // Two registrations of one name: one of them would never be found.
        if let named = registry.slot(of: registration.handle), named != held { return false }
        if let held {
            guard registry.registrations[held].revision <= registration.revision else { return false }
            unsafe registry.replace(held, facts, blob: registration.blob.span.bytes, now: now)
            return true
        }
        guard registry.count < limits.registrations else { return false }
        _ = unsafe registry.insert(key, facts, blob: registration.blob.span.bytes, now: now)
        return true
    }

    /// Takes a registration that was kept for a while, and of which nobody knows whether it is still so: as `mirror`, but an own one
    /// that lives longer stays. It was heard of later.
    ///
    /// - Parameter remaining: how long the kept one would live on.
    /// - Returns: whether it was taken.
    @discardableResult
    public mutating func mirrorKept(_ registration: MirroredRegistration, remaining: Interval, now: Instant) -> Bool {
        let key = registration.key
        if let group = registry.group(key.groupTag, of: key.matchKey),
            let slot = registry.slot(of: key.memberTag, in: group), registry.registrations[slot].instance == 0,
            registry.registrations[slot].expiresAt - now > remaining
        {
            return false
        }
        return mirror(registration, now: now)
    }

    /// Takes it that another instance refreshed a registration of its own.
    public mutating func mirrorRefresh(_ key: RegistrationKey, instance: UInt32, now: Instant) {
        guard let slot = foreignSlot(key, instance) else { return }
        registry.update(slot) { $0.expiresAt = now + .seconds(Int64($0.lifetime)) }
    }

    /// Takes it that another instance removed a registration of its own.
    public mutating func mirrorRemoval(_ key: RegistrationKey, instance: UInt32) {
        guard let slot = foreignSlot(key, instance) else { return }
        registry.remove(slot)
    }

    /// Tells a member that is registered here of an introduction that another instance was asked for. The limits of asker and
    /// pair were that instance's to keep; the target's are kept here.
    ///
    /// - Returns: whether there will be a notice.
    @discardableResult
    public mutating func deliver(_ introduction: MirroredIntroduction, now: Instant) -> Bool {
        guard let slot = liveSlot(of: introduction.target, now: now), registry.registrations[slot].instance == 0,
            notices.hasRoom, introduction.blob.count <= MatchConstants.maximumBlob
        else { return false }
        var introduced = registry.registrations[slot].introduced
        guard introduced.take(targetRate, now: now) else { return false }
        registry.update(slot) { $0.introduced = introduced }
        queue(introduction, for: slot, now: now)
        return true
    }

    /// All registrations made here, as `registered` events: for an instance that comes later, or after `overflowed`. Looks at
    /// all that is held.
    public func ownRegistrations(now: Instant) -> [MirroredRegistration] {
        heldSlots { $0.instance == 0 && $0.isLive(now: now) }.map { mirrored($0) }
    }

    /// A registration as others are told of it.
    func mirrored(_ slot: UInt32) -> MirroredRegistration {
        let registration = registry.registrations[slot]
        return MirroredRegistration(
            key: registry.key(of: slot), instance: registration.instance, handle: registration.handle,
            handleKey: registration.handleKey, address: registration.address, revision: registration.revision,
            lifetime: registration.lifetime, blob: registry.blobs.bytes(registration.blob))
    }

    /// The slots of registrations for which `isWanted` holds. Looks at all groups.
    func heldSlots(where isWanted: (Registration) -> Bool) -> [UInt32] {
        // A group's slot that is free has no members.
        (0..<registry.groups.bound).flatMap {
            registry.groups[$0].members.filter { isWanted(registry.registrations[$0]) }
        }
    }

    private func foreignSlot(_ key: RegistrationKey, _ instance: UInt32) -> UInt32? {
        guard instance != 0, let group = registry.group(key.groupTag, of: key.matchKey),
            let slot = registry.slot(of: key.memberTag, in: group), registry.registrations[slot].instance == instance
        else { return nil }
        return slot
    }
}
