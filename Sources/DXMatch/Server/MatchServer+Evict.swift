/// Groups that are served no more.
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
}
