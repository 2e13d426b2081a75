import DXMatch
import DXSecure
import DXWire

/// Registers members one after the other, some at a time: key, signature, REGISTER, proof of address, REGISTER again
/// (`docs/matchmaking.md` §4.1).
struct Registrations {
    private struct Pending {
        /// The body, which ends with the proof.
        var body: [UInt8]
        var tag: MemberTag
        var sequence: UInt64
        var sentAt: Instant
    }

    /// Registrations under way: what the matchmaker does in a hundredth of a second.
    private static let window = 96
    /// When a request is asked again.
    private static var patience: Interval { .seconds(1) }

    private var pending: [Int: Pending] = [:]
    /// Members begun.
    private(set) var begun = 0
    /// Members registered.
    private(set) var done = 0
    /// Requests that were asked again.
    private(set) var repeated = 0
    /// When patience was looked after.
    private var lookedAt = Instant.zero

    /// Whether all are registered.
    func isDone(_ load: Load) -> Bool { done == load.members.count }

    /// Begins what there is room for, and repeats what was not answered.
    mutating func step(_ load: Load, now: Instant) {
        // A few each time: what comes meanwhile should not wait for many signatures.
        var budget = 16
        while pending.count < Self.window, begun < load.members.count, budget > 0 {
            begin(begun, load, now: now)
            begun += 1
            budget -= 1
        }
        guard now - lookedAt >= .milliseconds(100) else { return }
        lookedAt = now
        for (member, request) in pending where now - request.sentAt >= Self.patience {
            repeated += 1
            send(member, request, load, now: now)
        }
    }

    private mutating func begin(_ member: Int, _ load: Load, now: Instant) {
        let blob = load.blobs.blob(of: member)
        guard let key = try? Identity.generate() else { fatalError("no keys") }
        let point = load.wire.cryptography.publicPoint(of: key)
        var request = RegisterRequest(
            groupTag: load.groups[load.group(of: member)].tag, memberKey: point, revision: 1, lifetime: 600)
        let hash = unsafe load.wire.cryptography.sha256(blob.span.bytes)
        let text = [UInt8](capacity: RegisterRequest.signedByteCount) {
            request.writeSigned(pin: load.pin, blobHash: hash, to: &$0)
        }
        guard let signature = unsafe load.wire.cryptography.sign(text.span.bytes, with: key) else {
            fatalError("no signatures")
        }
        request.signature = signature
        let body = [UInt8](capacity: RegisterRequest.fixedByteCount + blob.count) { output in
            unsafe request.write(blob: blob.span.bytes, to: &output)
        }
        let tag = load.wire.cryptography.memberTag(of: point)
        send(member, Pending(body: body, tag: tag, sequence: 0, sentAt: now), load, now: now)
    }

    private mutating func send(_ member: Int, _ request: Pending, _ load: Load, now: Instant) {
        guard let (datagram, sequence) = load.wire.request(request.body, load.groups[load.group(of: member)]) else {
            fatalError("no seals")
        }
        var request = request
        request.sequence = sequence
        request.sentAt = now
        pending[member] = request
        load.socket.send(datagram, from: AddressPlan.address(of: member))
    }

    /// Takes an answer; false when it is not to a REGISTER that is under way.
    mutating func receive(
        _ answer: AnswerMessage, _ message: [UInt8], _ member: Int, _ load: Load, now: Instant
    ) -> Bool {
        guard var request = pending[member], request.sequence == answer.sequence else { return false }
        let group = load.groups[load.group(of: member)]
        let mask = load.wire.cryptography.addressMask(sequence: answer.sequence)
        guard let body = load.wire.body(of: answer, message, group), let keys = group.keys,
            let content = try? unsafe MatchAnswer(reading: body.span.bytes, mask: mask)
        else {
            load.counts.notAuthentic += 1
            return true
        }
        switch content {
        case .proveAddress(let proof, let observed):
            if observed.low != UInt64(AddressPlan.address(of: member)) { load.counts.wrong += 1 }
            request.body.replaceSubrange(
                (request.body.count - AddressProof.byteCount)...,
                with: [UInt8](capacity: AddressProof.byteCount) { proof.write(to: &$0) })
            send(member, request, load, now: now)
        case .registered(let registered):
            pending[member] = nil
            let key = load.wire.cryptography.handleKey(registered.handle, keys: keys)
            load.members[member] = Member(tag: request.tag, handle: registered.handle, key: key)
            done += 1
        case .status(_, let status):
            // Asked again when its patience is over.
            load.counts.refuse(status)
        case .observed, .roster, .introduced, .admitted: load.counts.wrong += 1
        }
        return true
    }
}
