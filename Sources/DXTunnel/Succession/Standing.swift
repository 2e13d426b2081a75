import DXWire

/// Who may still use the gateway, as its present start knows: an earlier start, which hears of no change any more, ends what others have open
/// (`docs/restart.md` §4).
struct Standing: Equatable, Sendable {
    /// The gateways that may have channels.
    var peers: Set<GatewayID>
    /// The tunnels that there are, by what destinations know them by.
    var tunnels: Set<String>

    /// As it stands in the stream: `count (4) | 32 bytes each | count (4) | length (1) and text each`, in order.
    var bytes: [UInt8] {
        var result: [UInt8] = []
        func append(_ number: UInt64, _ byteCount: Int) {
            for shift in (0..<byteCount).reversed() {
                result.append(UInt8(truncatingIfNeeded: number >> (8 * UInt64(shift))))
            }
        }
        append(UInt64(peers.count), 4)
        for peer in peers.sorted() {
            let words = peer.words
            for word in [words.0, words.1, words.2, words.3] { append(word, 8) }
        }
        let names = tunnels.filter { $0.utf8.count <= UInt8.max }.sorted()
        append(UInt64(names.count), 4)
        for name in names {
            append(UInt64(name.utf8.count), 1)
            result += Array(name.utf8)
        }
        return result
    }

    init(peers: Set<GatewayID>, tunnels: Set<String>) {
        self.peers = peers
        self.tunnels = tunnels
    }

    /// Reads it; nil for what is none.
    init?(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number(_ byteCount: Int) -> Int? { take(byteCount).map { $0.reduce(0) { $0 << 8 | Int($1) } } }
        var peers: Set<GatewayID> = []
        var tunnels: Set<String> = []
        guard let peerCount = number(4) else { return nil }
        for _ in 0..<peerCount {
            guard let id = take(GatewayID.byteCount).flatMap({ GatewayID(Array($0)) }) else { return nil }
            peers.insert(id)
        }
        guard let tunnelCount = number(4) else { return nil }
        for _ in 0..<tunnelCount {
            guard let text = number(1).flatMap({ take($0) }) else { return nil }
            tunnels.insert(String(decoding: text, as: UTF8.self))
        }
        guard rest.isEmpty else { return nil }
        self.init(peers: peers, tunnels: tunnels)
    }
}
