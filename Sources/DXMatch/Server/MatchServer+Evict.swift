/// Groups that are served no more, and instances that have ended.
extension MatchServer {
    /// Takes out all registrations of the match keys for which `isServed` does not hold: a registration that is there is renewed
    /// without a ticket. Looks at all groups.
    ///
    /// - Returns: how many there were, those of other instances among them.
    @discardableResult
    public mutating func evict(unless isServed: (MatchKeyHash) -> Bool) -> Int {
        let slots = heldSlots { _ in true }.filter { !isServed(registry.key(of: $0).matchKey) }
        for slot in slots { remove(slot) }
        return slots.count
    }

    /// Takes out all registrations of another instance, which has ended. Looks at all groups.
    public mutating func mirrorEnd(ofInstance instance: UInt32) {
        guard instance != 0 else { return }
        for slot in heldSlots(where: { $0.instance == instance }) { remove(slot) }
    }
}
