import CDXOpenSSL
import DXWire

/// Makes and checks challenges (`docs/wire-format.md` §3.2) without keeping any: a challenge is an HMAC over what it is
/// good for, under a secret that dies with the process.
struct ChallengeMaker {
    private let secret: SecretBytes

    /// With a new random secret.
    init() {
        secret = unsafe SecretBytes(capacity: 32) { memory in
            unsafe SecureRandom.fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<32]))
            return 32
        }
    }

    /// The challenge for `initiator` at `remote` in the time slot of `now`.
    func make(_ initiator: GatewayID, _ attempt: Attempt, at remote: Endpoint, now: Instant) -> Bytes32 {
        mac(initiator, attempt, at: remote, slot: Self.slot(now))
    }

    /// Whether `proof` was made for the same, in the time slot of `now` or the one before.
    func holds(_ proof: Bytes32, for initiator: GatewayID, _ attempt: Attempt, at remote: Endpoint, now: Instant)
        -> Bool
    {
        let slot = Self.slot(now)
        let isCurrent = proof.isEqualInConstantTime(to: mac(initiator, attempt, at: remote, slot: slot))
        return isCurrent || proof.isEqualInConstantTime(to: mac(initiator, attempt, at: remote, slot: slot &- 1))
    }

    private static func slot(_ now: Instant) -> Int64 {
        now.nanoseconds / SecureConstants.challengeSlot.nanoseconds
    }

    private func mac(_ initiator: GatewayID, _ attempt: Attempt, at remote: Endpoint, slot: Int64) -> Bytes32 {
        let message = [UInt8](capacity: 96) { output in
            output.write(remote.family.rawValue)
            output.write(remote.high)
            output.write(remote.low)
            output.write(remote.scope)
            output.write(remote.port)
            output.write(initiator)
            attempt.write(to: &output)
            output.write(UInt64(bitPattern: slot))
        }
        var mac = [UInt8](repeating: 0, count: Bytes32.byteCount)
        let isMade = secret.withBytes { secret in
            unsafe secret.withUnsafeBytes { secret in
                unsafe dx_hmac_sha256(
                    secret.baseAddress?.assumingMemoryBound(to: UInt8.self), message, message.count, &mac) == 1
            }
        }
        // Without a MAC every address would be taken as proven.
        guard isMade else { preconditionFailure("OpenSSL computes HMAC-SHA256") }
        return unsafe Bytes32(mac.span.bytes)
    }
}
