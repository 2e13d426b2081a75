import DXWire

/// The keyed seal around everything that is not session data (`docs/wire-format.md` §3): noise to whoever lacks the key.
///
/// Holds one or two of the group's secrets, so that one can be changed without a gap (the second one is what others may
/// still use), and the join veil while invites are open. In a group that has had more of them, a datagram that says so
/// (`VeilHint`) is opened with that older one in place of the second. So opening costs at most three AES-GCM passes,
/// however many secrets there were. Owned by one `SecureEndpoint`.
struct Veil {
    /// The numbers of the group's secrets, the one to use first.
    private(set) var sending: [Int] = []
    private let receiver: GatewayID
    private var hint: VeilHint?
    /// The epochs of the group's secrets by number, in the places of `slots`.
    private var epochs: [Int: UInt16] = [:]
    /// Those before them, by what a nonce says, and their ciphers once they were needed.
    private var older: [UInt16: Slot] = [:]
    private var slots = [Slot?](repeating: nil, count: SecureConstants.maximumOpens)
    private var sealing: [SealingKey: VeilCipher] = [:]
    private var filter = NonceFilter()

    /// The number of the join veil; 0 and 1, below, are the group's.
    static let joinNumber = SecureConstants.maximumOpens - 1

    /// A sealing cipher takes about 1 kB and 10 microseconds to make; when so many are kept they are all given up, which
    /// only costs time.
    private static let maximumSealing = 1_024

    /// Numbers of older secrets lie above this one, by what a nonce says of them.
    private static let olderBase = 1 << 16

    private struct Slot {
        var secret: VeilSecret
        var opening: VeilCipher?
    }

    private struct SealingKey: Hashable {
        var veil: Int
        var receiver: GatewayID
    }

    /// What came of a datagram.
    enum Opened: Equatable {
        /// The message was appended; it was sealed under the secret with this number and with this nonce.
        case opened(veil: Int, nonce: VeilNonce)
        /// It is none of ours: wrong size, or no key opens it.
        case notVeiled
        /// Its nonce was seen before.
        case repeatedNonce
    }

    /// The veil of the gateway `receiver`. Throws `veilCount` unless there are one or two secrets.
    init(_ secrets: [VeilSecret], receiver: GatewayID) throws(SecureError) {
        self.receiver = receiver
        try replace(secrets)
    }

    /// How many secrets open what comes.
    var count: Int { slots.count { $0 != nil } }

    /// Puts these in place of the group's secrets, the one to use first. One that stays keeps its number, so that handshakes
    /// under it go on. Throws `veilCount` unless there are one or two; nothing changes then.
    mutating func replace(_ secrets: [VeilSecret]) throws(SecureError) {
        guard 1...2 ~= secrets.count else { throw .veilCount }
        let names = secrets.map(\.name)
        var free = (0..<Self.joinNumber).filter { number in
            slots[number].map { !names.contains($0.secret.name) } ?? true
        }
        var numbers: [Int] = []
        for (secret, name) in zip(secrets, names) {
            if let held = (0..<Self.joinNumber).first(where: { slots[$0]?.secret.name == name }) {
                numbers.append(held)
            } else {
                // Two secrets and two places: what is not held has a place of its own, unless one secret is given twice.
                guard !free.isEmpty else { throw .veilCount }
                let number = free.removeFirst()
                try put(secret, at: number)
                numbers.append(number)
            }
        }
        for number in free { remove(number) }
        sending = numbers
    }

    /// The same for a group that numbers its secrets: the one or two to use, the newer one first, and those before them, under
    /// which members come that slept.
    mutating func replace(_ current: [VeilEpoch], older: [VeilEpoch], group: Bytes32) throws(SecureError) {
        try replace(current.map(\.secret))
        hint = VeilHint(group: group, receiver: receiver)
        epochs = [:]
        for (epoch, number) in zip(current, sending) { epochs[number] = epoch.hint }
        self.older = [:]
        sealing = sealing.filter { $0.key.veil < Self.olderBase }
        for epoch in older where !current.contains(where: { $0.hint == epoch.hint }) {
            self.older[epoch.hint] = Slot(secret: epoch.secret)
        }
    }

    /// The number of the secret of a group's epoch, as far as nonces tell epochs apart; nil when none is held.
    func number(ofEpoch epoch: UInt64) -> Int? {
        let hint = UInt16(truncatingIfNeeded: epoch)
        if let number = sending.first(where: { epochs[$0] == hint }) { return number }
        return older[hint] == nil ? nil : Self.olderBase | Int(hint)
    }

    /// A new nonce for a datagram to `receiver` under the secret with that number.
    func nonce(to receiver: GatewayID, veil: Int) -> VeilNonce {
        guard let hint, veil != Self.joinNumber else { return .random() }
        let epoch = veil < Self.olderBase ? epochs[veil] : UInt16(truncatingIfNeeded: veil)
        return epoch.map { hint.nonce(of: $0, to: receiver) } ?? .random()
    }

    /// Takes messages of gateways that join under this secret; nil takes none.
    mutating func setJoin(_ secret: VeilSecret?) throws(SecureError) {
        guard let secret else { return remove(Self.joinNumber) }
        guard slots[Self.joinNumber]?.secret.name != secret.name else { return }
        try put(secret, at: Self.joinNumber)
    }

    private mutating func put(_ secret: VeilSecret, at number: Int) throws(SecureError) {
        let opening = try VeilCipher(secret, receiver: receiver, .open)
        remove(number)
        slots[number] = Slot(secret: secret, opening: opening)
    }

    private mutating func remove(_ number: Int) {
        guard slots[number] != nil else { return }
        slots[number] = nil
        sealing = sealing.filter { $0.key.veil != number }
    }

    /// Appends the message of `datagram` to `output`, which must have room for `maximumVeiled` bytes. Never traps.
    @_lifetime(output: copy output)
    mutating func open(_ datagram: RawSpan, into output: inout OutputRawSpan) -> Opened {
        var reader = ByteReader(datagram)
        guard SecureConstants.minimumVeiled...SecureConstants.maximumVeiled ~= datagram.byteCount,
            let nonce = try? VeilNonce(reading: &reader)
        else { return .notVeiled }
        // Only nonces of datagrams that opened are remembered, so a stranger cannot fill the filter.
        if filter.contains(nonce) { return .repeatedNonce }
        for place in 0..<SecureConstants.maximumOpens {
            let veil = number(place, nonce)
            guard let opening = opening(veil), opening.open(datagram, into: &output) else { continue }
            filter.insert(nonce)
            return .opened(veil: veil, nonce: nonce)
        }
        return .notVeiled
    }

    /// Which secret to try first, second and last: the newest; the older one that the nonce names, else the one before the
    /// newest; the join veil.
    private func number(_ place: Int, _ nonce: VeilNonce) -> Int {
        switch place {
        case 0: return sending[0]
        case 1:
            if let hint, !older.isEmpty {
                let epoch = hint.epoch(nonce)
                if older[epoch] != nil { return Self.olderBase | Int(epoch) }
            }
            // There are two places for the group's secrets.
            return 1 - sending[0]
        default: return Self.joinNumber
        }
    }

    /// The cipher for opening; that of an older secret is made when it is first needed.
    private mutating func opening(_ number: Int) -> VeilCipher? {
        guard number >= Self.olderBase else { return slots[number]?.opening }
        let epoch = UInt16(truncatingIfNeeded: number)
        guard let slot = older[epoch] else { return nil }
        if let opening = slot.opening { return opening }
        let opening = try? VeilCipher(slot.secret, receiver: receiver, .open)
        older[epoch]?.opening = opening
        return opening
    }

    private func secret(_ number: Int) -> VeilSecret? {
        number < Self.olderBase ? slots[number]?.secret : older[UInt16(truncatingIfNeeded: number)]?.secret
    }

    /// Appends the datagram that carries `message` to `receiver` under the secret with the number `veil`. The output
    /// must have room for `veilOverhead` more bytes than the message. Throws `closed` when that secret was taken away.
    @_lifetime(output: copy output)
    mutating func seal(
        _ message: RawSpan, nonce: VeilNonce, to receiver: GatewayID, veil: Int, into output: inout OutputRawSpan
    ) throws(SecureError) {
        let key = SealingKey(veil: veil, receiver: receiver)
        if let cipher = sealing[key] { return try cipher.seal(message, nonce: nonce, into: &output) }
        guard let secret = secret(veil) else { throw .closed }
        let cipher = try VeilCipher(secret, receiver: receiver, .seal)
        if sealing.count >= Self.maximumSealing { sealing.removeAll() }
        sealing[key] = cipher
        try cipher.seal(message, nonce: nonce, into: &output)
    }
}
