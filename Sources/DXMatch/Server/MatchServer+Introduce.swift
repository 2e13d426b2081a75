import DXWire

/// INTRODUCE (`docs/matchmaking.md` §4.2).
extension MatchServer {
    /// Answers one INTRODUCE of the registration in `asker`, and sees that the other is told.
    @_lifetime(output: copy output)
    mutating func answer(
        _ introduce: IntroduceRequest, blob: RawSpan, of asker: UInt32, room: Int, _ mask: AddressMask,
        into output: inout OutputRawSpan, now: Instant
    ) -> MatchStatus {
        let kind = MatchRequest.Kind.introduce.rawValue
        let group = registry.registrations[asker].group
        guard let target = registry.slot(of: introduce.memberTag, in: group), target != asker,
            registry.registrations[target].isLive(now: now)
        else { return refuse(kind, .unknownMember, &output) }
        let other = registry.registrations[target]
        guard IntroducedAnswer.fixedByteCount(other.address) + Int(other.blob.byteCount) <= room else {
            return refuse(kind, .tooSmall, &output)
        }
        guard registry.take(groupRate, of: group, now: now) else { return refuse(kind, .tooOften, &output) }
        guard makeIntroduction(introduce.nonce, blob: blob, from: asker, to: target, now: now) else {
            return refuse(kind, .tooOften, &output)
        }
        MatchAnswer.writeHead(kind, .done, to: &output)
        other.address.write(to: &output, mask: mask)
        output.write(other.revision)
        output.write(other.blob.byteCount)
        registry.blobs.write(other.blob, to: &output)
        return .done
    }

    /// Tells the other, unless that was done; false when it is too often. The limits are taken from the narrowest on, so that
    /// what one refuses costs the wider ones nothing.
    private mutating func makeIntroduction(
        _ nonce: UInt64, blob: RawSpan, from asker: UInt32, to target: UInt32, now: Instant
    ) -> Bool {
        let (from, other) = (registry.registrations[asker], registry.registrations[target])
        switch pairs.outcome(from.handle, other.handle, nonce: nonce, now: now) {
        case .known: return true
        case .tooOften: return false
        case .new: break
        }
        guard other.instance != 0 || notices.hasRoom else { return false }
        var (asked, introduced) = (from.asked, other.introduced)
        guard asked.take(askerRate, now: now), introduced.take(targetRate, now: now) else { return false }
        registry.update(asker) { $0.asked = asked }
        registry.update(target) { $0.introduced = introduced }
        pairs.remember(from.handle, other.handle, nonce: nonce, now: now)
        statistics.introductions &+= 1
        let bytes =
            blob.byteCount > 0 ? unsafe blob.withUnsafeBytes { unsafe Array($0) } : registry.blobs.bytes(from.blob)
        let introduction = MirroredIntroduction(
            target: other.handle, memberTag: from.memberTag, address: from.address, nonce: nonce,
            revision: from.revision, blob: bytes)
        if other.instance != 0 {
            tell(.introduction(instance: other.instance, introduction))
        } else {
            queue(introduction, for: target, now: now)
        }
        return true
    }

    /// Queues a notice to the registration in `target`.
    mutating func queue(_ introduction: MirroredIntroduction, for target: UInt32, now: Instant) {
        // 0 says "no notice" in a REFRESH.
        let number =
            registry.registrations[target].lastNotice == .max ? 1 : registry.registrations[target].lastNotice + 1
        registry.update(target) { $0.lastNotice = number }
        let notice = MatchNotice(
            memberTag: introduction.memberTag, address: introduction.address, nonce: introduction.nonce,
            revision: introduction.revision)
        notices.insert(introduction.target, number: number, notice, blob: introduction.blob, now: now)
    }
}
