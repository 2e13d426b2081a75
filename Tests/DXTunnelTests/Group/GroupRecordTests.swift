import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Records and the bodies of the kinds that are understood: what is written can be read, what is malformed cannot.
@Suite struct GroupRecordTests {
    private let admin: Identity
    private let group: GroupID

    init() throws {
        admin = try TestKeys.identity(1)
        group = GroupID(rootKey: try TestKeys.identity(0).publicKey)
    }

    @Test func aRecordIsReadAsItWasWritten() throws {
        let record = try record(.tunnel, id: [1, 2, 3], revision: 77, body: [9, 8])
        let again = try read(record.encoded)
        #expect(again == record && again.hash == record.hash)
        #expect(again.isAuthentic(in: group) && !again.isRemoval)
        #expect(again.key == GroupRecord.Key(kind: .tunnel, id: [1, 2, 3]) && again.revision == 77)
        #expect(again.author == admin.publicKey && again.body == [9, 8])
    }

    /// Whatever byte is changed, the signature is not that of the record any more, or it cannot be read.
    @Test func anyChangeIsNoticed() throws {
        let bytes = try record(.tunnel, id: [1, 2, 3], revision: 77, body: [9, 8]).encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            guard let record = try? read(changed) else { continue }
            #expect(!record.isAuthentic(in: group), "byte \(index)")
        }
    }

    @Test func aShortOneIsMalformed() throws {
        let bytes = try record(.tunnel, id: [1, 2, 3], revision: 77, body: [9, 8]).encoded
        for count in 0..<bytes.count {
            #expect(throws: DecodeError.self) { try read(Array(bytes.prefix(count))) }
        }
    }

    /// What is signed for one group says nothing in another.
    @Test func aRecordOfAnotherGroupIsNotAuthentic() throws {
        let record = try record(.tunnel, id: [1], revision: 1)
        #expect(!record.isAuthentic(in: GroupID(rootKey: admin.publicKey)))
    }

    /// ECDSA signs differently each time; the record is the same.
    @Test func twoSignaturesMakeOneRecord() throws {
        let one = try record(.tunnel, id: [1], revision: 1)
        let other = try record(.tunnel, id: [1], revision: 1)
        #expect(one.signature != other.signature && one.hash == other.hash)
    }

    @Test func limitsAreKept() throws {
        var bytes = try record(.tunnel, id: [1], revision: GroupRecord.highestRevision).encoded
        _ = try read(bytes)
        // Version, kind, flags, length and id are 5 bytes; the revision follows.
        bytes[5] = 0xff
        #expect(throws: DecodeError.invalidValue) { try read(bytes) }
        bytes = try record(.tunnel, id: [1], revision: 1).encoded
        bytes[0] = 2
        #expect(throws: DecodeError.invalidValue) { try read(bytes) }
        let long = try record(
            GroupRecord.Kind(rawValue: 900), id: Array(repeating: 1, count: GroupRecord.longestID), revision: 1,
            body: Array(repeating: 1, count: GroupRecord.longestBody))
        #expect(try read(long.encoded) == long)
    }

    // MARK: Bodies

    @Test func aMemberIsReadAsItWasWritten() throws {
        var member = MemberRecord(name: "edge-1", key: admin.publicKey, roles: .forwarder)
        member.labels = [try Label("site=north"), try Label("kind=plc")]
        #expect(try MemberRecord(member.body) == member)
        for text in ["", "=", "a=", "=b", "a", "a=b=c", "a=\u{7f}", "-a=b"] {
            #expect(throws: DecodeError.invalidValue, "\(text)") { try Label(text) }
        }
    }

    @Test func aTunnelIsReadAsItWasWritten() throws {
        var tunnel = TunnelRecord(name: "ssh")
        tunnel.isEnabled = false
        let id = try GroupReplicas.id(3)
        tunnel.origins = [
            .init(selector: .member(id), listen: .tcp(HostAddress(host: "127.0.0.1", port: 2_222))),
            .init(selector: .label(try Label("role=ops"))),
        ]
        tunnel.destinations = [
            .init(
                selector: .label(try Label("site=north")), target: .tcp(HostAddress(host: "::1", port: 22)), weight: 3,
                order: 1),
            .init(selector: .member(id), target: .tcp(HostAddress(host: "local.example", port: 22))),
        ]
        tunnel.allowed = [try #require(AddressRange("10.0.0.0/8")), try #require(AddressRange("2001:db8::/32"))]
        tunnel.schedulingClass = .interactive
        (tunnel.share, tunnel.maximumConnections) = (3, 7)
        (tunnel.maximumRate, tunnel.until) = (20_000_000, 1_800_000_000)
        tunnel.idleSeconds = 600
        tunnel.healthCheck = GatewayConfiguration.HealthCheck(
            .http(path: "/health", expect: 204), interval: .milliseconds(500), timeout: .seconds(1), rise: 3, fall: 4)
        (tunnel.isSticky, tunnel.failback, tunnel.hold) = (true, .after(.seconds(60)), .seconds(3_600))
        #expect(try TunnelRecord(tunnel.body) == tunnel)
        tunnel.failback = .manual
        tunnel.healthCheck = GatewayConfiguration.HealthCheck(.command(name: "disk"))
        #expect(try TunnelRecord(tunnel.body) == tunnel)
        #expect(try TunnelRecord(TunnelRecord(name: "t").body) == TunnelRecord(name: "t"))
    }

    /// A tunnel between unix sockets, with all that older versions do not know.
    private func demandingTunnel() throws -> TunnelRecord {
        let id = try GroupReplicas.id(3)
        var tunnel = TunnelRecord(name: "db")
        tunnel.origins = [
            .init(selector: .member(id), listen: try TunnelAddress("unix:/run/app.sock"), socketMode: 0o660),
            .init(selector: .label(try Label("a=b")), listen: try TunnelAddress(":8000-8009")),
        ]
        tunnel.destinations = [.init(selector: .member(id), target: try TunnelAddress("unix:/run/db.sock"), weight: 2)]
        tunnel.proxyProtocol = true
        tunnel.compression = .deflate
        return tunnel
    }

    /// What an older version must not serve is a tunnel without ends to it.
    @Test func olderVersionsSeeNoEnds() throws {
        let tunnel = try demandingTunnel()
        #expect(try TunnelRecord(tunnel.body) == tunnel)
        let fields = try RecordFields(tunnel.body)
        #expect(fields.all(3).isEmpty && fields.all(4).isEmpty)
        #expect(fields.all(23) == [[1], [2], [3]])
        var plain = tunnel
        plain.origins = [.init(selector: .label(try Label("a=b")), listen: try TunnelAddress(":80"))]
        plain.destinations = []
        plain.proxyProtocol = false
        // Compression is agreed upon; nobody has to know it.
        let plainFields = try RecordFields(plain.body)
        #expect(plainFields.all(3).count == 1 && plainFields.all(23).isEmpty && plainFields.all(24).isEmpty)
        #expect(try TunnelRecord(plain.body) == plain)
    }

    /// A newer version's need: the tunnel has no ends here, and all that was said of them stays.
    @Test func whatIsNeededAndNotKnownIsKept() throws {
        var fields = try RecordFields(try demandingTunnel().body)
        fields.add(23, UInt64(77))
        fields.add(24, [1, 2, 3])
        var tunnel = try TunnelRecord(fields.encoded)
        #expect(tunnel.unknownNeeds == [77])
        #expect(tunnel.origins.isEmpty && tunnel.destinations.isEmpty)
        #expect(tunnel.compression == .deflate)
        tunnel.isEnabled = false
        let again = try RecordFields(tunnel.body)
        for field: UInt64 in [23, 24, 25] { #expect(again.all(field) == fields.all(field)) }
        #expect(try TunnelRecord(tunnel.body) == tunnel)
        #expect(try TunnelRecord(tunnel.body).isEnabled == false)
    }

    @Test func refusesNonsenseInOptions() throws {
        for (field, value) in [(20, 0), (20, 604_801)] as [(UInt64, UInt64)] {
            var fields = try RecordFields(TunnelRecord(name: "t").body)
            fields.add(field, value)
            #expect(throws: DecodeError.self) { _ = try TunnelRecord(fields.encoded) }
        }
        var end = RecordFields()
        end.add(2, "a=b")
        end.add(3, ":1-2000")
        var fields = try RecordFields(TunnelRecord(name: "t").body)
        fields.add(24, end.encoded)
        #expect(throws: DecodeError.self) { _ = try TunnelRecord(fields.encoded) }
    }

    @Test func aUDPTunnelIsReadAsItWasWritten() throws {
        var tunnel = TunnelRecord(name: "dns")
        tunnel.networkProtocol = .udp
        tunnel.idleSeconds = 5
        tunnel.origins = [
            .init(
                selector: .member(try GroupReplicas.id(1)), listen: .tcp(HostAddress(host: "127.0.0.1", port: 53)))
        ]
        tunnel.destinations = [
            .init(selector: .label(try Label("role=dns")), target: .tcp(HostAddress(host: "::1", port: 53)), weight: 2)
        ]
        #expect(try TunnelRecord(tunnel.body) == tunnel)
        // Whoever does not know what it needs sees no ends where it looks for them, and serves nothing.
        let fields = try RecordFields(tunnel.body)
        #expect(fields.all(3).isEmpty && fields.all(4).isEmpty && fields.all(23) == [[4]])
    }

    /// What a newer version demands of whoever serves a tunnel: it is not served, and what is said of it stays.
    @Test func unknownNeedsKeepATunnelFromBeingServed() throws {
        var fields = RecordFields()
        fields.add(1, "t")
        fields.add(23, 99 as UInt64)
        fields.add(24, [1, 2, 3])
        fields.add(25, "an end of another form")
        fields.add(26, 7 as UInt64)
        var tunnel = try TunnelRecord(fields.encoded)
        #expect(tunnel.unknownNeeds == [99] && tunnel.origins.isEmpty && tunnel.destinations.isEmpty)
        tunnel.isEnabled = false
        let again = try RecordFields(tunnel.body)
        #expect(again.all(23) == fields.all(23) && again.all(24) == fields.all(24))
        #expect(again.all(25) == fields.all(25))
        #expect(try TunnelRecord(tunnel.body) == tunnel)
    }

    /// What a newer version says stays when an older one changes the rest.
    @Test func unknownFieldsStay() throws {
        var fields = RecordFields()
        fields.add(99, "new")
        var tunnel = try TunnelRecord(TunnelRecord(name: "t").body + fields.encoded)
        tunnel.share = 5
        #expect(try RecordFields(tunnel.body).text(99) == "new")
        // A check of a kind that is not known.
        var check = RecordFields()
        check.add(1, "icmp:")
        fields.add(32, check.encoded)
        tunnel = try TunnelRecord(TunnelRecord(name: "t").body + fields.encoded)
        #expect(tunnel.healthCheck == nil)
        #expect(try RecordFields(tunnel.body).only(32) == check.encoded)
        var member = try MemberRecord(MemberRecord(name: "m", key: admin.publicKey).body + fields.encoded)
        member.name = "n"
        #expect(try RecordFields(member.body).text(99) == "new")
    }

    /// No bytes make the readers trap, and what they take they write the same way again.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func randomBytesAreReadOrRefused(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var tunnel = TunnelRecord(name: "t")
        tunnel.origins = [
            .init(selector: .member(try GroupReplicas.id(1)), listen: .tcp(HostAddress(host: "", port: 1)))
        ]
        let bodies = [
            random.chance(0.5) ? tunnel.body : try demandingTunnel().body,
            MemberRecord(name: "m", key: admin.publicKey).body,
            AddressRecord(addresses: [HostAddress(host: "192.0.2.1", port: 1)]).body,
            AdminRecord(id: try GroupReplicas.id(1), name: "a").body,
        ]
        for _ in 0..<300 {
            var bytes = bodies[Int(random.below(4))]
            for _ in 0...random.below(4) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.chance(0.2) { bytes.removeLast(Int(random.below(UInt64(bytes.count)))) }
            if let read = try? TunnelRecord(bytes) { #expect(try TunnelRecord(read.body) == read) }
            if let read = try? MemberRecord(bytes) { #expect(try MemberRecord(read.body) == read) }
            if let read = try? AddressRecord(bytes) { #expect(try AddressRecord(read.body) == read) }
            if let read = try? AdminRecord(bytes, isRemoval: false) {
                #expect(try AdminRecord(read.body, isRemoval: false) == read)
            }
            _ = try? read(bytes)
        }
    }

    private func record(
        _ kind: GroupRecord.Kind, id: [UInt8], revision: UInt64, body: [UInt8] = []
    ) throws -> GroupRecord {
        try GroupRecord(kind, id: id, revision: revision, body: body, signedBy: admin, group: group)
    }

    private func read(_ bytes: [UInt8]) throws -> GroupRecord {
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try GroupRecord(reading: &reader, group: group)
    }
}
