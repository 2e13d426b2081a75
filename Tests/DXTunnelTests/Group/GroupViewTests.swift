import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// What a document means for one member.
@Suite struct GroupViewTests {
    /// A group of the test keys: 0 is the root, 1 the admin "m1", the others members, all but those in `hidden` with an
    /// address.
    private struct Group {
        var document: GroupDocument
        var members: [MemberRecord.ID] = []
        private var revision: UInt64 = 1

        init(_ count: Int = 9, hidden: Set<Int> = [], labels: [Int: String] = [:]) throws {
            let root = try TestKeys.identity(0)
            document = GroupDocument(rootKey: root.publicKey)
            for number in 1...count {
                let key = try TestKeys.identity(number)
                let id = try #require(MemberRecord.ID([UInt8](repeating: UInt8(number), count: 16)))
                members.append(id)
                if number == 1 {
                    try say(.admin, key.publicKey.bytes, AdminRecord(id: id, name: "m1").body, root)
                }
                let label: Set<Label> = try labels[number].map { [try Label($0)] } ?? []
                let body = MemberRecord(name: "m\(number)", key: key.publicKey, labels: label).body
                try say(.member, id.bytes, body, try TestKeys.identity(1))
                if !hidden.contains(number) {
                    let address = HostAddress(host: "192.0.2.\(number)", port: 7_700)
                    try say(.address, key.publicKey.bytes, AddressRecord(addresses: [address]).body, key)
                }
            }
        }

        mutating func say(_ kind: GroupRecord.Kind, _ id: [UInt8], _ body: [UInt8], _ signer: Identity) throws {
            let record = try GroupRecord(
                kind, id: id, revision: revision, body: body, signedBy: signer, group: document.group)
            #expect(document.insert(record) == .added)
            revision += 1
        }

        mutating func add(_ tunnel: TunnelRecord, _ number: UInt8) throws {
            try say(.tunnel, [UInt8](repeating: number, count: 16), tunnel.body, try TestKeys.identity(1))
        }

        func view(of number: Int, callsAdmins: Bool = false, calendar: Int64 = 0) -> GroupView {
            var ids: [PublicKey: GatewayID] = [:]
            return GroupView(
                GroupState(document), member: members[number - 1], callsAdmins: callsAdmins, ids: &ids,
                calendar: calendar)
        }

        func id(_ number: Int) throws -> GatewayID { try TestKeys.identity(number).gatewayID }
    }

    /// Whoever calls is expected: or one end would take down what the other sets up.
    @Test(arguments: [Set<Int>(), [2], [3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9]])
    func bothEndsAgreeOnWhoIsNeeded(hidden: Set<Int>) throws {
        let group = try Group(hidden: hidden)
        for caller in 1...9 {
            let view = group.view(of: caller)
            #expect(view.wanted.count == min(GroupView.mostNeighbours, 9 - hidden.union([caller]).count))
            for called in 1...9 where called != caller {
                let isWanted = view.wanted.contains(try group.id(called))
                let isExpected = group.view(of: called).wantedBy.contains(try group.id(caller))
                #expect(!isWanted || isExpected, "\(caller) calls \(called)")
            }
        }
    }

    @Test func oneThatMaySleptCallsAdmins() throws {
        let group = try Group()
        let admin = try group.id(1)
        for number in 2...9 { #expect(group.view(of: number, callsAdmins: true).wanted.contains(admin)) }
    }

    @Test func tunnelsAreForTheirEndsAlone() throws {
        var group = try Group(labels: [5: "kind=plc", 6: "kind=plc"])
        var tunnel = TunnelRecord(name: "web")
        tunnel.origins = [
            .init(selector: .member(group.members[1]), listen: .tcp(HostAddress(host: "127.0.0.1", port: 80)))
        ]
        tunnel.destinations = [
            .init(
                selector: .label(try Label("kind=plc")), target: .tcp(HostAddress(host: "127.0.0.1", port: 81)),
                order: 1),
            .init(selector: .member(group.members[3]), target: .tcp(HostAddress(host: "127.0.0.1", port: 82))),
        ]
        try group.add(tunnel, 0x77)
        let origin = try #require(group.view(of: 2).tunnels.first)
        #expect(origin.destinations.map(\.gateway) == ["m4", "m5", "m6"])
        #expect(origin.destinations.allSatisfy { $0.target == nil })
        #expect(origin.origins.first?.listen?.port == 80)
        let labelled = try #require(group.view(of: 6).tunnels.first)
        #expect(labelled.destinations.compactMap(\.target?.port) == [81])
        #expect(labelled.origins.first?.listen == nil && labelled.wireName == String(repeating: "77", count: 16))
        #expect(group.view(of: 3).tunnels.isEmpty)
        #expect(group.view(of: 2).wanted.isSuperset(of: try [4, 5, 6].map { try group.id($0) }))
        #expect(group.view(of: 5).wanted.contains(try group.id(2)))
    }

    @Test func tunnelsEndWhenTheyAreTo() throws {
        var group = try Group()
        var tunnel = TunnelRecord(name: "web")
        tunnel.origins = [.init(selector: .member(group.members[1]), listen: nil)]
        tunnel.destinations = [.init(selector: .member(group.members[2]), target: nil)]
        tunnel.until = 1_000
        try group.add(tunnel, 1)
        #expect(group.view(of: 2, calendar: 999).tunnels.count == 1)
        #expect(group.view(of: 2, calendar: 999).nextEnd == 1_000)
        #expect(group.view(of: 2, calendar: 1_000).tunnels.isEmpty)
        tunnel.until = nil
        tunnel.isEnabled = false
        try group.add(tunnel, 1)
        #expect(group.view(of: 2).tunnels.isEmpty)
    }
}
