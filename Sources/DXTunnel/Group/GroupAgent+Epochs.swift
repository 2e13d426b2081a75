import DXSecure
import DXWire
import Logging
import NIOCore

/// The epochs of the group's secret: which are used, how they come and how they are told.
extension GroupAgent {
    /// Secrets that are kept: members that slept come back under old ones.
    private static let mostEpochs = 1_024

    /// Uses the newest epoch's secret, and the one before for those that lack the newest; older ones for members that slept;
    /// the join veil while somebody may come under it.
    func followVeils() {
        epochsInUse = epochs.named(in: state)
        let names = epochsInUse.map(\.secret.name)
        func veils(_ epochs: some Sequence<EpochSecret>) -> [VeilEpoch] {
            epochs.map { VeilEpoch(number: $0.number, secret: $0.secret) }
        }
        let used = veils(epochsInUse.reversed())
        // Somebody may come under one that is not used (any more), and is heard.
        let others = veils(epochs.filter { !names.contains($0.secret.name) })
        do {
            try core.secure.setVeil(Array(used.prefix(2)), older: others + used.dropFirst(2), group: group.bytes)
            try core.secure.setJoinVeil(invites.joinVeil)
        } catch { core.warn("the group's secrets cannot be used", ["error": "\(error)"], level: .error) }
        noteMatchPlan()
    }

    /// Uses what the document names, and asks for what of it this gateway lacks.
    func followEpochs() {
        if epochs.named(in: state).map(\.secret.name) != epochsInUse.map(\.secret.name) { followVeils() }
        if !missingEpochs.isEmpty { askForEpochs() }
    }

    /// Epochs that the document names and of which the secret is not held, the newest last.
    private var missingEpochs: [GroupState.Epoch] {
        let held = Set(epochs.map(\.recordID))
        return state.epochs.suffix(Self.mostEpochs).filter { !held.contains($0.recordID) }
    }

    /// Those of them that are newer than all that are held, or are one of the two in use: without these a gateway falls
    /// silent.
    private var urgentEpochs: [GroupState.Epoch] {
        let newest = epochs.last?.number ?? 0
        let inUse = state.epochs.suffix(2).first?.number ?? 0
        return missingEpochs.filter { $0.number > newest || $0.number >= inUse }
    }

    /// Asks a neighbour for secrets of the time before, of each once, the newest first: under them members come that slept since
    /// before this gateway joined.
    func askForEarlierEpochs(of neighbour: PublicKey) {
        // The document may name them only later.
        let wanted = missingEpochs.filter { epoch in
            !(earlierAsked[neighbour]?.contains(epoch.recordID) ?? false)
        }
        for epoch in wanted.suffix(Self.earlierAtOnce).reversed() {
            earlierAsked[neighbour, default: []].insert(epoch.recordID)
            queue(.epochWanted(epoch.recordID), to: neighbour)
        }
    }

    /// What is asked of a neighbour each time that is looked at: all thousand within minutes.
    private static let earlierAtOnce = 16

    /// Asks all neighbours for the secrets that are missing.
    func askForEpochs() {
        for neighbour in neighbours { askForEarlierEpochs(of: neighbour) }
        let wanted = urgentEpochs
        guard !wanted.isEmpty else { return }
        for neighbour in neighbours {
            for epoch in wanted { queue(.epochWanted(epoch.recordID), to: neighbour) }
        }
    }

    /// Tells a neighbour an epoch's secret, if it is held and the neighbour is not one that an epoch was made to keep out.
    func tellEpoch(_ id: [UInt8], to neighbour: PublicKey) {
        guard let wanted = GroupState.Epoch(recordID: id),
            let epoch = epochs.first(where: { $0.number == wanted.number && $0.secret.name == wanted.name }),
            state.member(neighbour) != nil, !state.epochs.contains(where: { $0.removes.contains(neighbour) })
        else { return }
        queue(.epoch(epoch.number, epoch.secret.secretBytes), to: neighbour)
    }

    /// Takes a secret that the document names.
    func takeEpoch(_ number: UInt64, _ bytes: [UInt8]) {
        guard let secret = VeilSecret(bytes),
            missingEpochs.contains(where: { $0.number == number && $0.name == secret.name })
        else { return }
        let isNew = number > epochs.last?.number ?? 0
        add(EpochSecret(number: number, secret: secret))
        saveSoon(Self.savePause)
        core.logger.info(
            isNew ? "the group has a new secret" : "an earlier secret of the group came",
            metadata: ["epoch": "\(number)"])
        notePresence()
    }

    /// Two admins that removed somebody at the same time made two epochs of one number, and whom one of them keeps out may know
    /// the other's secret: any admin makes the next. Each time it is looked at one of four admins does, so that it is seldom
    /// two again.
    func mendEpochs() {
        guard isAdmin, isReady, let last = state.epochs.last else { return }
        let tied = state.epochs.filter { $0.number == last.number }
        guard tied.count > 1, core.random.next() & 3 == 0 else { return }
        do throws(GroupError) {
            // Of more than one record can name those that are members still come first.
            let removed = tied.reduce(into: Set<PublicKey>()) { $0.formUnion($1.removes) }
            try keepOut(
                Set(removed.sorted { state.member($0) != nil && state.member($1) == nil }.prefix(Self.mostKeptOut)))
            core.logger.notice("two secrets came at once: there is a third now")
            _ = commit()
        } catch { core.warn("no new secret could be made", ["error": "\(error)"], level: .error) }
    }

    /// Keeps a secret; it is used once a record names it, and on the disk when the group is saved.
    func add(_ epoch: EpochSecret) {
        epochs.append(epoch)
        epochs.sort { ($0.number, $0.secret.name) < ($1.number, $1.secret.name) }
        if epochs.count > Self.mostEpochs { epochs.removeFirst() }
        followVeils()
        unsavedEpochs.append(epoch)
    }

    /// Has a message sent that is not the document's, before all others.
    func queue(_ message: GroupMessage, to neighbour: PublicKey) {
        // One neighbour asks for a few; more is a mistake of its.
        guard secretMessages[neighbour, default: []].count < 64 else { return }
        guard !secretMessages[neighbour, default: []].contains(message) else { return }
        secretMessages[neighbour, default: []].append(message)
    }
}
