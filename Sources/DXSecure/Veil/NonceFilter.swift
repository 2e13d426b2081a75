/// Remembers the nonces of the veiled datagrams that opened, so that a repeated one is dropped (`docs/wire-format.md`
/// §3). Bounded: two generations; when the newer is full, the older is forgotten. It knows at least the last
/// `generationCount` nonces and at most twice as many. Constant time per nonce; about 0.8 MB when full, nothing at first.
struct NonceFilter {
    /// Handshakes of 256 peers at once take about 2,000 messages; four times that leaves room for retransmission.
    static let generationCount = 8_192

    private var newer: Set<VeilNonce> = []
    private var older: Set<VeilNonce> = []

    /// Whether the nonce is remembered.
    func contains(_ nonce: VeilNonce) -> Bool { newer.contains(nonce) || older.contains(nonce) }

    /// Remembers the nonce.
    mutating func insert(_ nonce: VeilNonce) {
        if newer.count >= Self.generationCount {
            swap(&newer, &older)
            newer.removeAll(keepingCapacity: true)
        }
        newer.insert(nonce)
    }
}
