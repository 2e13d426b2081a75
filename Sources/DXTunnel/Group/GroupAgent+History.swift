import DXSecure
import DXWire
import NIOCore

/// What the group has agreed on and what it agreed on before (`docs/group.md` §10).
extension GroupAgent {
    /// The name of a record's author.
    func authorName(_ key: PublicKey) -> String {
        if key == sync.document.rootKey { return "the root key" }
        return state.member(key)?.name ?? key.gatewayID.map { String($0.text.prefix(12)) } ?? "?"
    }

    /// All that counts about each thing, newest first.
    private func statements() -> [GroupRecord.Key: [GroupRecord]] {
        var statements: [GroupRecord.Key: [GroupRecord]] = [:]
        for record in sync.document.records.values where GroupState.counts(record, in: sync.document) {
            statements[record.key, default: []].append(record)
        }
        for key in statements.keys { statements[key]?.sort { $0.supersedes($1) } }
        return statements
    }

    /// What is held of the past, newest first; without addresses, which members say themselves.
    func history(limit: Int) -> [GroupHistoryEntry] {
        let statements = statements()
        let records = statements.values.joined().filter { $0.key.kind != .address }.sorted { $0.supersedes($1) }
        return records.prefix(limit).map { record in
            let about = statements[record.key] ?? []
            return GroupHistoryEntry(
                revision: record.revision,
                time: RecordFields.time(of: record.body).map {
                    Timestamp(claimed: $0)
                },
                by: authorName(record.author), what: words(record, isFirst: about.last?.hash == record.hash),
                inForce: about.first?.hash == record.hash)
        }
    }

    private func words(_ record: GroupRecord, isFirst: Bool) -> String {
        let verb = record.isRemoval ? "removed" : isFirst ? "added" : "changed"
        switch record.key.kind {
        case .admin:
            let key = try? PublicKey(field: record.key.id)
            let name =
                (try? AdminRecord(record.body, isRemoval: record.isRemoval))?.member?.name
                ?? key.map(authorName) ?? "?"
            return record.isRemoval ? "\(name) is an admin no more" : "\(name) is an admin"
        case .member: return "member \(name(of: record, \.memberName)) \(verb)"
        case .tunnel: return "tunnel \(name(of: record, \.tunnelName)) \(verb)" + trialWords(record)
        case .policy: return "policy \(String(decoding: record.key.id, as: UTF8.self)) \(verb)"
        case .epoch: return "new secret, epoch \(GroupState.Epoch(recordID: record.key.id)?.number ?? 0)"
        case .checkpoint: return "checkpoint: what is not in force was forgotten"
        default: return "something of a newer version (kind \(record.key.kind.rawValue))"
        }
    }

    private func trialWords(_ record: GroupRecord) -> String {
        guard let seconds = (try? TunnelRecord(record.body))?.trialSeconds, !record.isRemoval else { return "" }
        return ", for \(seconds) s unless confirmed"
    }

    /// A thing's name in a record, or for a removal what it was called before.
    private func name(of record: GroupRecord, _ name: KeyPath<GroupRecord, String?>) -> String {
        if !record.isRemoval, let own = record[keyPath: name] { return own }
        let earlier = sync.document.records.values.filter { $0.key == record.key && !$0.isRemoval }
        return earlier.max { $1.supersedes($0) }?[keyPath: name] ?? "?"
    }

    // MARK: Going back

    /// Makes all tunnels what they were at a revision. Members are not touched: who was removed stays out.
    func rollBack(to revision: UInt64) throws(GroupError) -> EventLoopFuture<GroupChange> {
        try requireAdmin()
        guard revision < state.revision else {
            throw GroupError(
                .badRequest, "the group is at revision \(state.revision)", "dxgateway config history shows earlier ones"
            )
        }
        var changes: [(record: GroupRecord, target: GroupRecord?)] = []
        for (key, records) in statements() where key.kind == .tunnel {
            guard let current = records.first, current.revision > revision else { continue }
            try requireHistory(of: records, back: revision)
            let target = records.first { $0.revision <= revision }
            if target == nil || target?.isRemoval == true, current.isRemoval { continue }
            changes.append((current, target))
        }
        guard !changes.isEmpty else {
            throw GroupError(.conflict, "no tunnel has changed since revision \(revision)", "there is nothing to do")
        }
        var words: [String] = []
        for (record, target) in changes.sorted(by: { $0.record.revision < $1.record.revision }) {
            let removes = target?.isRemoval ?? true
            try say(.tunnel, id: record.key.id, isRemoval: removes, body: removes ? [] : Self.firm(target?.body ?? []))
            words.append(
                "tunnel \(name(of: target ?? record, \.tunnelName)) "
                    + (removes ? "removed" : "as at revision \(target?.revision ?? 0)"))
        }
        let changed = words.sorted()
        return commit().map { GroupChange(revision: $0, changed: changed) }
    }

    /// What was gone back to holds for good.
    private static func firm(_ body: [UInt8]) -> [UInt8] {
        guard var record = try? TunnelRecord(body) else { return body }
        record.trialSeconds = nil
        return record.body
    }

    /// Of each author the newest few statements are held: what was said before them is not known any more.
    private func requireHistory(of records: [GroupRecord], back revision: UInt64) throws(GroupError) {
        let byAuthor = Dictionary(grouping: records, by: \.author)
        for own in byAuthor.values where own.count >= GroupDocument.historyCount {
            guard let oldest = own.last, oldest.revision > revision else { continue }
            throw GroupError(
                .conflict,
                "of the tunnel \(name(of: oldest, \.tunnelName)) nothing is known any more before revision"
                    + " \(oldest.revision)", "go back to that one at most, or set the tunnel anew")
        }
    }

    // MARK: Checkpoints

    /// Forgets what is not in force, everywhere. Takes the root key.
    func makeCheckpoint() throws(GroupError) -> EventLoopFuture<GroupChange> {
        try requireAdmin()
        let root = try requireRootKey("a checkpoint")
        let kept = Set(
            statements().compactMap { key, records in
                records.first.flatMap { $0.isRemoval && key.kind != .admin ? nil : $0.hash }
            })
        guard kept.count <= CheckpointRecord.mostRecords else {
            throw GroupError(
                .conflict,
                "\(kept.count) records are in force, of \(CheckpointRecord.mostRecords) that a checkpoint lists",
                "remove what is not needed")
        }
        let before = sync.document.records.count
        try say(.checkpoint, id: [], body: CheckpointRecord(kept: kept).body, signedBy: root)
        let forgotten = before + 1 - sync.document.records.count
        return commit().map { GroupChange(revision: $0, changed: ["\(forgotten) records are forgotten"]) }
    }

    // MARK: The whole

    /// The configuration as it is, for people and for another tool.
    func configuration() -> GroupConfiguration {
        GroupConfiguration(
            group: state.name ?? "(no name)", groupID: group.text, revision: state.revision,
            epoch: state.epochs.last?.number ?? 0, members: members(), tunnels: tunnels(),
            matchmakers: state.matchServers.map(\.description))
    }

    /// The signed records, as they are sent and stored, but for those that hold a secret.
    func exportedRecords() -> [String] {
        let secret = GroupRecord.Key(kind: .policy, id: Array(MatchKeyRecord.policy.utf8))
        return file.records.filter { $0.key != secret }.map { Base64URL.text($0.encoded) }
    }
}

extension GroupRecord {
    fileprivate var memberName: String? { (try? MemberRecord(body))?.name }
    fileprivate var tunnelName: String? { (try? TunnelRecord(body))?.name }
}
