import DXSecure
import DXWire

/// Seals packets at one end of a DTLS session and opens them at the other; with a datagram size, in fragments.
struct SealWorkload: Workload {
    private let packet: [UInt8]
    private let datagramByteCount: Int?
    private let sender: DTLSSession
    private let receiver: DTLSSession
    private let memory = Scratch(byteCount: 20_000)
    private let plaintext = Scratch(byteCount: 17_000)

    init(packetByteCount: Int, datagramByteCount: Int?) {
        packet = (0..<packetByteCount).map { UInt8(truncatingIfNeeded: $0) }
        self.datagramByteCount = datagramByteCount
        (sender, receiver) = SessionPair.establish()
    }

    mutating func run(packets: Int) {
        var opened = 0
        for _ in 0..<packets {
            let count = seal()
            if open(count) == .opened { opened += 1 }
        }
        precondition(opened == packets, "every record opens")
    }

    private func seal() -> Int {
        memory.write(upTo: 20_000) { output in
            do {
                if let datagramByteCount {
                    try sender.sealInFragments(packet.span.bytes, of: datagramByteCount, into: &output)
                } else {
                    try sender.seal(packet.span.bytes, into: &output)
                }
            } catch { preconditionFailure("sealing failed: \(error)") }
        }
    }

    private func open(_ count: Int) -> OpenOutcome {
        var outcome = OpenOutcome.rejected
        _ = plaintext.write(upTo: 17_000) { plaintext in
            var datagram = MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<count]))
            guard let datagramByteCount else {
                outcome = receiver.open(&datagram, into: &plaintext)
                return
            }
            guard let run = FragmentRun(reading: datagram.bytes, datagramByteCount: datagramByteCount) else { return }
            outcome = receiver.open(run, in: &datagram, into: &plaintext)
        }
        return outcome
    }
}

/// Two secure endpoints that shake hands in memory.
private enum SessionPair {
    static func establish() -> (DTLSSession, DTLSSession) {
        do {
            let (one, other) = (try Identity.generate(), try Identity.generate())
            let veil = VeilSecret.generate()
            let addresses = (Endpoint(v4: 0x0a00_0001, port: 1), Endpoint(v4: 0x0a00_0002, port: 2))
            var a = try endpoint(one, knows: other, veil, shard: 1)
            var b = try endpoint(other, knows: one, veil, shard: 2)
            var now = Instant(nanoseconds: 1_000_000_000)
            _ = try a.connect(to: other.gatewayID, at: addresses.1, now: now)
            var (first, second): (DTLSSession?, DTLSSession?)
            for _ in 0..<50 {
                carry(from: &a, at: addresses.0, to: &b, now: now)
                carry(from: &b, at: addresses.1, to: &a, now: now)
                first = established(&a) ?? first
                second = established(&b) ?? second
                if let first, let second { return (first, second) }
                now = now + .milliseconds(10)
            }
        } catch { preconditionFailure("no session: \(error)") }
        preconditionFailure("no session after fifty round trips")
    }

    private static func endpoint(
        _ identity: Identity, knows peer: Identity, _ veil: VeilSecret, shard: UInt8
    ) throws -> SecureEndpoint {
        try SecureEndpoint(
            identity: identity, veil: [veil], knownPeers: [peer.gatewayID], configuration: SecureConfiguration(),
            shard: shard, seed: UInt64(shard))
    }

    private static func carry(
        from sender: inout SecureEndpoint, at address: Endpoint, to receiver: inout SecureEndpoint, now: Instant
    ) {
        var memory = [UInt8](repeating: 0, count: 2_000)
        while true {
            let count = memory.withUnsafeMutableBytes { memory in
                var output = OutputRawSpan(buffer: memory, initializedCount: 0)
                _ = sender.pollTransmit(into: &output, now: now)
                return output.finalize(for: memory)
            }
            guard count > 0 else { return }
            _ = receiver.receiveVeiled(memory.span.bytes.extracting(..<count), from: address, now: now)
        }
    }

    private static func established(_ endpoint: inout SecureEndpoint) -> DTLSSession? {
        var result: DTLSSession?
        while let event = endpoint.pollEvent() { if case .established(let session) = event { result = session } }
        return result
    }
}
