import DXSecure
import DXWire

/// The hashes of a document in order, for finding out with few bytes what two members hold differently
/// (`docs/group.md` §7): a tree over their digits, of which each branch has a fingerprint.
struct GroupIndex: Sendable {
    /// The first digits of hashes, 4 bits each: a branch of the tree.
    struct Prefix: Hashable, Sendable {
        /// Each 0 to 15; at most `longest`.
        var digits: [UInt8] = []
        /// 2^32 branches are more than any document has records.
        static let longest = 8

        /// The branch below with that digit.
        func child(_ digit: UInt8) -> Prefix { Prefix(digits: digits + [digit]) }

        /// Whether a hash begins with it.
        func contains(_ hash: Bytes32) -> Bool {
            let bytes = hash.bytes
            return digits.indices.allSatisfy { index in
                let byte = bytes[index / 2]
                return (index % 2 == 0 ? byte >> 4 : byte & 15) == digits[index]
            }
        }
    }

    /// What a branch holds, in 16 bytes; all zero when it holds nothing.
    struct Fingerprint: Hashable, Sendable {
        let bytes: [UInt8]
        static let byteCount = 16
        static let empty = Fingerprint(bytes: Array(repeating: 0, count: byteCount))
    }

    /// In order.
    let hashes: [Bytes32]
    /// Of all.
    let fingerprint: Fingerprint

    /// The index of what a document holds now.
    init(_ document: GroupDocument) {
        hashes = document.records.keys.sorted()
        fingerprint = Self.fingerprint(of: hashes[...])
    }

    /// What lies in a branch.
    func hashes(in prefix: Prefix) -> ArraySlice<Bytes32> {
        let start = Self.partition(hashes) { Self.isBefore($0, prefix) }
        let end = Self.partition(hashes) { Self.isBefore($0, prefix) || prefix.contains($0) }
        return hashes[start..<end]
    }

    /// The first 16 bytes of the SHA-256 of the hashes in order.
    func fingerprint(of prefix: Prefix) -> Fingerprint {
        Self.fingerprint(of: hashes(in: prefix))
    }

    private static func fingerprint(of hashes: ArraySlice<Bytes32>) -> Fingerprint {
        guard !hashes.isEmpty else { return .empty }
        let bytes = hashes.flatMap(\.bytes)
        return Fingerprint(bytes: Array(unsafe Bytes32(sha256: bytes.span.bytes).bytes.prefix(Fingerprint.byteCount)))
    }

    /// Whether a hash comes before all that begin with a prefix.
    private static func isBefore(_ hash: Bytes32, _ prefix: Prefix) -> Bool {
        let bytes = hash.bytes
        for (index, digit) in prefix.digits.enumerated() {
            let own = index % 2 == 0 ? bytes[index / 2] >> 4 : bytes[index / 2] & 15
            if own != digit { return own < digit }
        }
        return false
    }

    /// The number of elements at the front for which something holds that holds for no later one.
    private static func partition(_ hashes: [Bytes32], _ isFront: (Bytes32) -> Bool) -> Int {
        var (low, high) = (0, hashes.count)
        while low < high {
            let middle = (low + high) / 2
            if isFront(hashes[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
