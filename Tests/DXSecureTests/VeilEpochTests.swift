import DXWire
import Testing

@testable import DXSecure

/// Secrets of many epochs: which are understood, and what a nonce tells.
@Suite struct VeilEpochTests {
    private let receiver = GatewayID([UInt8](repeating: 7, count: 32))!
    private let other = GatewayID([UInt8](repeating: 8, count: 32))!
    private let group = unsafe Bytes32(sha256: [1, 2, 3].span.bytes)

    private func epochs(_ numbers: some Sequence<UInt64>) -> [VeilEpoch] {
        numbers.map { VeilEpoch(number: $0, secret: .generate()) }
    }

    private func veil(_ epochs: [VeilEpoch], of gateway: GatewayID, group: Bytes32? = nil) throws -> Veil {
        var veil = try Veil([epochs[0].secret], receiver: gateway)
        try veil.replace(Array(epochs.prefix(2)), older: Array(epochs.dropFirst(2)), group: group ?? self.group)
        return veil
    }

    /// A message under one veil's first secret.
    private func message(_ veil: inout Veil, to receiver: GatewayID, number: Int) throws -> (VeilNonce, [UInt8]) {
        let nonce = veil.nonce(to: receiver, veil: number)
        var bytes = [UInt8](repeating: 0, count: 1_200)
        let count = try unsafe bytes.withUnsafeMutableBytes { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            let plain: [UInt8] = [1, 2, 3, 4]
            try unsafe veil.seal(plain.span.bytes, nonce: nonce, to: receiver, veil: number, into: &output)
            return unsafe output.finalize(for: memory)
        }
        return (nonce, Array(bytes[..<count]))
    }

    private func open(_ datagram: [UInt8], _ veil: inout Veil) -> Veil.Opened {
        var plain = [UInt8](repeating: 0, count: 1_200)
        return unsafe plain.withUnsafeMutableBytes { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            return unsafe veil.open(datagram.span.bytes, into: &output)
        }
    }

    /// Whoever slept is understood under its newest secret, and can be answered under the same.
    @Test func everyEpochIsUnderstoodAndAnswered() throws {
        let all = epochs((1...300).reversed())
        var awake = try veil(all, of: receiver)
        for slept in [1, 2, 5, 150, 299] {
            var sleeper = try veil(Array(all.dropFirst(slept)), of: other)
            let (nonce, datagram) = try message(&sleeper, to: receiver, number: sleeper.sending[0])
            guard case .opened(let number, nonce) = open(datagram, &awake) else {
                Issue.record("\(slept) epochs were slept through")
                continue
            }
            let (_, answer) = try message(&awake, to: other, number: number)
            guard case .opened = open(answer, &sleeper) else {
                Issue.record("the answer after \(slept) epochs")
                continue
            }
        }
    }

    /// Who knows which secret the other one has calls under that first, however many are newer; else it calls in vain.
    @Test(arguments: [true, false]) func aCallUnderAnOldEpoch(isKnown: Bool) throws {
        let all = epochs((1...5).reversed())
        let pair = try Pair(veilA: [all[0].secret], veilB: [all[4].secret])
        try pair.a.secure.setVeil(Array(all.prefix(2)), older: Array(all.dropFirst(2)), group: group)
        try pair.b.secure.setVeil([all[4]], older: [], group: group)
        #expect(pair.a.secure.veil(ofEpoch: 6) == nil)
        let number = isKnown ? pair.a.secure.veil(ofEpoch: 1) : nil
        _ = try pair.a.secure.connect(to: pair.b.identity.gatewayID, at: pair.b.address, under: number, now: pair.now)
        let isOver = pair.run { !pair.a.established.isEmpty || !pair.a.failed.isEmpty }
        #expect(isOver && pair.a.established.isEmpty != isKnown)
        #expect(pair.b.secure.statistics[.notVeiled] == 0 || !isKnown)
    }

    /// A secret that was never told, whatever its nonce says, opens nothing.
    @Test func aStrangeSecretOpensNothing() throws {
        var awake = try veil(epochs((1...10).reversed()), of: receiver)
        var stranger = try veil(epochs((1...5).reversed()), of: other)
        for _ in 0..<50 {
            let (_, datagram) = try message(&stranger, to: receiver, number: stranger.sending[0])
            #expect(open(datagram, &awake) == .notVeiled)
        }
    }

    /// To whoever does not know the group, or is not the receiver, the two bytes are as random as the rest.
    @Test func aNonceTellsStrangersNothing() throws {
        let all = epochs([4, 3, 2])
        let sender = try veil(all, of: other)
        let number = sender.sending[0]
        let known = VeilHint(group: group, receiver: receiver)
        let stranger = VeilHint(group: unsafe Bytes32(sha256: [9].span.bytes), receiver: receiver)
        let elsewhere = VeilHint(group: group, receiver: other)
        var tails: Set<UInt16> = []
        var hits = 0
        for _ in 0..<400 {
            let nonce = sender.nonce(to: receiver, veil: number)
            tails.insert(nonce.tail)
            #expect(known.epoch(nonce) == 4)
            hits += (stranger.epoch(nonce) == 4 ? 1 : 0) + (elsewhere.epoch(nonce) == 4 ? 1 : 0)
        }
        // 400 of 65,536 values: some coincide, nearly all differ; by chance one in 65,536 is read as epoch 4.
        #expect(tails.count > 380 && hits <= 2)
    }

    /// Secrets that stay keep their numbers when a new one comes, so that handshakes under them go on.
    @Test func whatStaysKeepsItsNumber() throws {
        let all = epochs([3, 2, 1])
        var veil = try Veil([all[1].secret, all[2].secret], receiver: receiver)
        let second = veil.sending[0]
        try veil.replace([all[0].secret, all[1].secret])
        #expect(veil.sending[1] == second && veil.sending[0] != second)
        #expect(throws: SecureError.veilCount) { try veil.replace([]) }
        #expect(veil.sending[1] == second)
        try veil.setJoin(.generate())
        #expect(veil.count == 3)
        try veil.setJoin(nil)
        #expect(veil.count == 2)
    }
}
