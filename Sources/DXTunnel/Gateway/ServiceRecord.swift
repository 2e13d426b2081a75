import CDXSystem
import DXWire

/// A place where a service is (SRV, RFC 2782).
struct ServiceRecord: Equatable, Sendable {
    /// Lower ones first.
    var priority: UInt16
    /// Of those with one priority, the part that it gets.
    var weight: UInt16
    /// Host and port; nil for "there is none" (target `.`).
    var place: HostAddress?

    /// Records of an answer that are looked at: of more, one who asks for eight has enough.
    private static let mostRead: Int32 = 32

    /// What a name's SRV records say; nil when it has none, or nobody answers. Waits: not for an event loop.
    static func lookUp(_ name: String) -> [ServiceRecord]? {
        unsafe records { found in unsafe dx_srv_look_up(name, found, mostRead) }
    }

    /// The records of a DNS answer, whatever its bytes are; nil when it is none.
    static func read(_ answer: [UInt8]) -> [ServiceRecord]? {
        unsafe records { found in unsafe dx_srv_read(answer, answer.count, found, mostRead) }
    }

    private static func records(_ fill: (UnsafeMutablePointer<dx_srv>) -> Int32) -> [ServiceRecord]? {
        let found = UnsafeMutablePointer<dx_srv>.allocate(capacity: Int(mostRead))
        defer { unsafe found.deallocate() }
        let count = unsafe fill(found)
        guard count >= 0 else { return nil }
        return (0..<Int(count)).compactMap { unsafe ServiceRecord(found[$0]) }
    }

    private init?(_ record: dx_srv) {
        let target = unsafe withUnsafeBytes(of: record.target) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        (priority, weight) = (record.priority, record.weight)
        guard target != ".", !target.isEmpty else { return }
        let address = HostAddress(host: target, port: record.port)
        // A name that no host has, an address in place of a name (RFC 2782), a port that nothing is at.
        guard (try? address.check()) != nil, address.endpoint == nil, record.port != 0 else { return nil }
        place = address
    }

    init(priority: UInt16, weight: UInt16, place: HostAddress?) {
        self.priority = priority
        self.weight = weight
        self.place = place
    }

    /// The places in the order in which they are to be tried (RFC 2782): by priority, and in each by chance, as weights say; at most
    /// `maximum`. Empty when there is none, said so or not.
    static func places(
        _ records: [ServiceRecord], maximum: Int, random: inout RandomSource
    ) -> [HostAddress] {
        var ordered: [HostAddress] = []
        for priority in Set(records.map(\.priority)).sorted() {
            // Those of weight 0 first, so that they are drawn only when the lot is 0.
            var rest = records.filter { $0.priority == priority && $0.place != nil }.sorted { $0.weight < $1.weight }
            while !rest.isEmpty, ordered.count < maximum {
                let sum = rest.reduce(0) { $0 + UInt64($1.weight) }
                var lot = random.below(sum + 1)
                let index = rest.firstIndex { record in
                    if lot <= UInt64(record.weight) { return true }
                    lot -= UInt64(record.weight)
                    return false
                }
                // The last one has whatever is left of the lot.
                let drawn = rest.remove(at: index ?? rest.count - 1)
                if let place = drawn.place, !ordered.contains(place) { ordered.append(place) }
            }
        }
        return ordered
    }
}
