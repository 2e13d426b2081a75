import DXMatch
import DXWire

/// What is kept of a simulated gateway: what it needs to refresh its registration and to know a notice. 48 bytes.
struct Member {
    /// Its name in its group.
    var tag = MemberTag.zero
    /// Its registration's; zero until it is registered.
    var handle = Handle(rawValue: 0)
    /// The key of REFRESH and notices.
    var key = HandleKey.zero
    /// The count of the last REFRESH.
    var count: UInt32 = 0
    /// That of the last REFRESH that wants an answer and has none; 0 for none.
    var awaited: UInt32 = 0

    /// Whether it is registered.
    var isRegistered: Bool { handle.rawValue != 0 }
}

/// The blobs of simulated gateways: as large as six candidates sealed and signed, and as random; the same whenever asked.
struct Blobs {
    /// The size of each, in bytes.
    let byteCount: Int

    /// Those of so many candidates, each with an IPv6 address.
    init(candidates: Int) {
        let candidate = Candidate(
            kind: .host, priority: 0, endpoint: Endpoint(v6High: 0x2001_0db8_0000_0000, low: 1, port: 1))
        let content = BlobContent(
            gatewayID: GatewayID([UInt8](repeating: 0, count: GatewayID.byteCount))!, revision: 1,
            behaviourV4: .unknown, behaviourV6: .unknown,
            candidates: [Candidate](repeating: candidate, count: candidates))
        byteCount =
            [UInt8](capacity: BlobContent.maximumByteCount) { content.write(to: &$0) }.count
            + BlobContent.sealByteCount
    }

    /// The blob of a member.
    func blob(of member: Int) -> [UInt8] {
        var random = RandomSource(seed: UInt64(member))
        return [UInt8](capacity: byteCount + 8) { output in
            while output.byteCount < byteCount { output.write(random.next()) }
        }[..<byteCount].map(\.self)
    }
}
