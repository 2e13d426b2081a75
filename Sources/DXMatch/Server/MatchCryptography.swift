public import DXWire

/// The cryptography that the matchmaker's machine needs and does not have: OpenSSL's in the program, something simple in tests.
/// Each function is one of its arguments alone.
public protocol MatchCryptography {
    /// SHA-256 (FIPS 180-4).
    func sha256(_ bytes: RawSpan) -> Block32
    /// HMAC-SHA256 (RFC 2104). A shorter key stands at the head of 32 bytes, the others zero: HMAC takes it for the same.
    func hmacSHA256(key: Block32, _ bytes: RawSpan) -> Block32
    /// Whether it is an ECDSA P-256 signature over the SHA-256 of `bytes`; false also for a key that is no point.
    func isSignature(_ signature: MatchSignature, by key: PublicPoint, over bytes: RawSpan) -> Bool
}

extension MatchCryptography {
    /// The member tag of a member key (`docs/matchmaking.md` §1).
    public func memberTag(of key: PublicPoint) -> MemberTag {
        MemberTag(
            headOf: withBytes(PublicPoint.byteCount) {
                key.write(to: &$0)
            } then: {
                sha256($0)
            })
    }

    /// The hash of a match key, as tickets carry it (`docs/matchmaking.md` §3).
    public func matchKeyHash(of key: PublicPoint) -> MatchKeyHash {
        MatchKeyHash(
            headOf: withBytes(PublicPoint.byteCount) {
                key.write(to: &$0)
            } then: {
                sha256($0)
            })
    }

    /// The mask of the addresses in the answer to a request (`docs/matchmaking.md` §4), or in the notice with that number.
    public func addressMask(sequence: UInt64) -> AddressMask {
        AddressMask(
            headOf: withBytes(8) {
                $0.write(sequence)
            } then: {
                sha256($0)
            })
    }

    /// The key of a registration (`docs/matchmaking.md` §4.1).
    ///
    /// - Parameter answerKey: the ticket's key from the matchmaker to the client.
    public func handleKey(_ handle: Handle, answerKey: Block32) -> HandleKey {
        HandleKey(
            headOf: withBytes(6 + Handle.byteCount) {
                $0.write(label: "notice")
                $0.write(handle.rawValue)
            } then: {
                hmacSHA256(key: answerKey, $0)
            })
    }

    /// The key, for AES-128-SIV, of the notices to a registration (`docs/matchmaking.md` §4.1).
    public func noticeKey(_ key: HandleKey) -> Block32 {
        withBytes(15) {
            $0.write(label: "dx notice key 1")
        } then: {
            hmacSHA256(key: Self.wide(key), $0)
        }
    }

    /// The code of a REFRESH (`docs/matchmaking.md` §4.1); that in `refresh` is not looked at.
    public func code(of refresh: RefreshMessage, _ key: HandleKey) -> UInt64 {
        withBytes(RefreshMessage.coveredByteCount) {
            refresh.writeCovered(to: &$0)
        } then: {
            hmacSHA256(key: Self.wide(key), $0).word0
        }
    }

    /// The code of a REFRESHED (`docs/matchmaking.md` §4.1); that in `refreshed` is not looked at.
    public func code(of refreshed: RefreshedMessage, _ key: HandleKey) -> UInt64 {
        withBytes(RefreshedMessage.coveredByteCount) {
            refreshed.writeCovered(to: &$0)
        } then: {
            hmacSHA256(key: Self.wide(key), $0).word0
        }
    }

    /// Whether a REGISTER is signed by its member key (`docs/matchmaking.md` §4.1).
    public func isSigned(_ register: RegisterRequest, blob: RawSpan, pin: GatewayID) -> Bool {
        let blobHash = sha256(blob)
        return withBytes(RegisterRequest.signedByteCount) {
            register.writeSigned(pin: pin, blobHash: blobHash, to: &$0)
        } then: {
            isSignature(register.signature, by: register.memberKey, over: $0)
        }
    }

    /// What a REGISTER from this address must carry in this slot of time (`docs/matchmaking.md` §4.1).
    func addressProof(secret: Block32, _ source: Endpoint, _ tag: MemberTag, slot: UInt64) -> AddressProof {
        AddressProof(
            headOf: withBytes(source.matchByteCount + MemberTag.byteCount + 8) {
                source.write(to: &$0, mask: .none)
                tag.write(to: &$0)
                $0.write(slot)
            } then: {
                hmacSHA256(key: secret, $0)
            })
    }

    /// A secret for one purpose, made from the matchmaker's.
    func secret(_ secret: Block32, for purpose: StaticString) -> Block32 {
        withBytes(purpose.utf8CodeUnitCount) {
            $0.write(label: purpose)
        } then: {
            hmacSHA256(key: secret, $0)
        }
    }

    private static func wide(_ key: HandleKey) -> Block32 { Block32(key.high, key.low, 0, 0) }

    /// Calls `use` with what `fill` writes into `byteCount` bytes, on the stack.
    private func withBytes<Result>(
        _ byteCount: Int, _ fill: (inout OutputRawSpan) -> Void, then use: (RawSpan) -> Result
    ) -> Result {
        unsafe withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            fill(&output)
            let count = unsafe output.finalize(for: memory)
            return use(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count])))
        }
    }
}
