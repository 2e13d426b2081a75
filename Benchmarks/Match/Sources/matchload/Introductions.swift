import DXMatch
import DXWire

/// Introduces members of one group to each other at a steady rate, and times it: an introduction is done when the asker has the
/// answer and the other the notice, each with the other's blob (`docs/matchmaking.md` §4.2). From before the request is handed to
/// the kernel to when the later of the two was opened.
struct Introductions {
    private struct Pending {
        let asker: Int
        let other: Int
        let sentAt: Instant
        let sequence: UInt64
        var isAnswered = false
        var isTold = false
    }

    /// What has not come by then is lost: the matchmaker has sent its notice for the third time.
    private static var patience: Interval { .seconds(3) }

    private let rate: Double
    private var credit = 0.0
    private var last: Instant
    private var pending: [UInt64: Pending] = [:]
    private var byAsker: [Int: UInt64] = [:]
    private var lookedAt = Instant.zero
    /// Introductions asked for.
    private(set) var asked = 0
    /// Not done within their patience, nor refused.
    private(set) var lost = 0
    /// Refused with a status.
    private(set) var refused = 0
    /// How long each one took, in nanoseconds.
    private(set) var durations: [Int64] = []

    init(rate: Double, now: Instant) {
        self.rate = rate
        last = now
    }

    /// Whether none is under way.
    var isIdle: Bool { pending.isEmpty }

    /// Begins what is due, unless the end has come.
    mutating func step(_ load: Load, isEnding: Bool, now: Instant) {
        credit += isEnding ? 0 : Double((now - last).nanoseconds) * 1e-9 * rate
        last = now
        while credit >= 1 {
            credit -= 1
            begin(load, now: now)
        }
        guard now - lookedAt >= .milliseconds(100) else { return }
        lookedAt = now
        for (nonce, introduction) in pending where now - introduction.sentAt >= Self.patience {
            lost += 1
            end(nonce)
        }
    }

    private mutating func begin(_ load: Load, now: Instant) {
        // A member and another one of its group; each asks for one at a time.
        let asker = Int(load.random.below(UInt64(load.members.count)))
        let groups = load.groups.count
        let peers = (load.members.count - 1 - load.group(of: asker)) / groups + 1
        let other = load.group(of: asker) + Int(load.random.below(UInt64(peers))) * groups
        guard other != asker, byAsker[asker] == nil else { return }
        let nonce = load.random.next()
        let request = IntroduceRequest(
            handle: load.members[asker].handle, memberTag: load.members[other].tag, nonce: nonce)
        let answer = IntroducedAnswer.fixedByteCount(load.socket.server) + load.blobs.byteCount
        let size = max(IntroduceRequest.fixedByteCount, AnswerMessage.requestBody(toHear: answer))
        let body = [UInt8](capacity: size) { output in
            unsafe request.write(blob: [UInt8]().span.bytes, to: &output)
            while output.byteCount < size { output.write(0 as UInt8) }
        }
        guard let (datagram, sequence) = load.wire.request(body, load.groups[load.group(of: asker)]) else { return }
        asked += 1
        pending[nonce] = Pending(asker: asker, other: other, sentAt: now, sequence: sequence)
        byAsker[asker] = nonce
        load.socket.send(datagram, from: AddressPlan.address(of: asker))
    }

    private mutating func end(_ nonce: UInt64) {
        guard let introduction = pending.removeValue(forKey: nonce) else { return }
        byAsker[introduction.asker] = nil
    }

    private mutating func note(_ nonce: UInt64, _ introduction: Pending, now: Instant) {
        pending[nonce] = introduction
        guard introduction.isAnswered, introduction.isTold else { return }
        durations.append((now - introduction.sentAt).nanoseconds)
        end(nonce)
    }

    /// Takes an answer; false when it is not to an INTRODUCE that is under way.
    mutating func receive(
        _ answer: AnswerMessage, _ message: [UInt8], _ member: Int, _ load: Load, now: Instant
    ) -> Bool {
        guard let nonce = byAsker[member], var introduction = pending[nonce],
            introduction.sequence == answer.sequence
        else { return false }
        let mask = load.wire.cryptography.addressMask(sequence: answer.sequence)
        guard let body = load.wire.body(of: answer, message, load.groups[load.group(of: member)]),
            let content = try? unsafe MatchAnswer(reading: body.span.bytes, mask: mask)
        else {
            load.counts.notAuthentic += 1
            return true
        }
        switch content {
        case .introduced(let introduced):
            let blob = Array(body[introduced.blob.offset..<(introduced.blob.offset + introduced.blob.count)])
            if introduced.address.low != UInt64(AddressPlan.address(of: introduction.other))
                || blob != load.blobs.blob(of: introduction.other)
            {
                load.counts.wrong += 1
            }
            introduction.isAnswered = true
            note(nonce, introduction, now: now)
        case .status(_, let status):
            load.counts.refuse(status)
            refused += 1
            end(nonce)
        default: load.counts.wrong += 1
        }
        return true
    }

    /// Takes a notice, and acknowledges it.
    mutating func receive(_ notice: NoticeMessage, _ message: [UInt8], _ member: Int, _ load: Load, now: Instant) {
        guard notice.handle == load.members[member].handle else {
            load.counts.unmatched += 1
            return
        }
        let mask = load.wire.cryptography.addressMask(sequence: UInt64(notice.number))
        guard let body = load.wire.body(of: notice, message, key: load.members[member].key),
            let content = try? unsafe MatchNotice(reading: body.span.bytes, mask: mask)
        else {
            load.counts.notAuthentic += 1
            return
        }
        Refreshes.acknowledge(notice.number, member, load)
        guard var introduction = pending[content.nonce], introduction.other == member else {
            // Sent again before the acknowledgement of the first came.
            load.counts.repeatedNotices += 1
            return
        }
        let blob = Array(body[content.blob.offset..<(content.blob.offset + content.blob.count)])
        if content.memberTag != load.members[introduction.asker].tag
            || content.address.low != UInt64(AddressPlan.address(of: introduction.asker))
            || blob != load.blobs.blob(of: introduction.asker)
        {
            load.counts.wrong += 1
        }
        introduction.isTold = true
        note(content.nonce, introduction, now: now)
    }
}
