import DXWire

/// The last 256 introductions by others, so that each is acted upon once, whatever number or matchmaker's whim brings it again
/// (`docs/matchmaking.md` §4.2). Complexity: O(1) for a lookup.
struct NoticeMemory: Sendable {
    private struct Key: Hashable {
        let memberTag: MemberTag
        let nonce: UInt64
    }

    private var known: Set<Key> = []
    private var order: [Key] = []
    private var oldest = 0

    /// Remembers it; false when it was known.
    mutating func insert(_ memberTag: MemberTag, _ nonce: UInt64) -> Bool {
        let key = Key(memberTag: memberTag, nonce: nonce)
        guard known.insert(key).inserted else { return false }
        if order.count < MatchClientLimits.rememberedNotices {
            order.append(key)
        } else {
            known.remove(order[oldest])
            order[oldest] = key
            oldest = (oldest + 1) % order.count
        }
        return true
    }
}
