import CDXOpenSSL
import DXWire

/// One DTLS handshake in OpenSSL: owns the `SSL` object and its datagram-shaped BIO. Datagrams in, datagrams out; no
/// clock, no socket, no retransmission (the owner sends the last flight again). What comes after it is `RecordCipher`'s.
///
/// After `failed` only `takeFlight` (the alert) and release make sense. The error queue of OpenSSL is cleared before
/// each call.
@safe
final class DTLSConnection {
    private let pointer: OpaquePointer

    /// What a step of the handshake came to.
    enum Outcome: Equatable {
        /// It needs another datagram.
        case incomplete
        /// Both ends are authenticated; there are keys for records.
        case complete
        /// It is over.
        case failed(HandshakeFailure)
    }

    /// An association that accepts only `peer`. Throws `cryptography` when OpenSSL is out of memory.
    convenience init(_ context: DTLSContext, isInitiator: Bool, peer: GatewayID) throws(SecureError) {
        unsafe try self.init(context.pointer, isInitiator: isInitiator, peer: peer)
    }

    /// The same, of an OpenSSL context that outlives the call.
    init(_ context: OpaquePointer, isInitiator: Bool, peer: GatewayID) throws(SecureError) {
        ERR_clear_error()
        let id = peer.bytes
        guard
            let pointer = unsafe dx_dtls_new(
                context, isInitiator ? 1 : 0, id, SecureConstants.handshakeDatagram)
        else { throw .lastOpenSSL() }
        unsafe self.pointer = unsafe pointer
    }

    deinit { unsafe dx_dtls_free(pointer) }

    /// The negotiated suite in OpenSSL's spelling, or nil.
    var cipherName: String? { unsafe dx_dtls_cipher(pointer).map { unsafe String(cString: $0) } }

    /// What seals and opens records with the handshake's keys, once; nil before the handshake is complete.
    func takeRecordCipher() -> RecordCipher? { unsafe RecordCipher(pointer) }

    /// 32 bytes that only the two ends know, for connection ids (RFC 5705); nil before the handshake is complete.
    func exportIDSecret() -> SecretBytes? { export("EXPORTER-dx connection id 1", count: 32) }

    /// The same, for proving in this session that one has a token.
    func exportJoinSecret() -> SecretBytes? { export("EXPORTER-dx join 1", count: 32) }

    /// Bytes that only the two ends know, for one purpose (RFC 5705, no context); nil before the handshake is complete.
    func export(_ label: String, count: Int) -> SecretBytes? {
        let secret = unsafe SecretBytes(capacity: count) { memory in
            unsafe dx_dtls_export(pointer, label, memory.baseAddress, count) == 1 ? count : 0
        }
        return secret.count == count ? secret : nil
    }

    /// After `failed(.wrongPeerKey)`: whose key it was.
    var seenPeer: GatewayID {
        var bytes = [UInt8](repeating: 0, count: GatewayID.byteCount)
        unsafe dx_dtls_seen_id(pointer, &bytes)
        guard let id = GatewayID(bytes) else { preconditionFailure("an id has 32 bytes") }
        return id
    }

    /// Begins the handshake. The initiator's first flight is there afterwards.
    func start() -> Outcome { unsafe outcome(dx_dtls_handshake(pointer, nil, 0)) }

    /// Takes one handshake datagram.
    func receive(_ datagram: RawSpan) -> Outcome {
        unsafe datagram.withUnsafeBytes { bytes in
            unsafe outcome(dx_dtls_handshake(pointer, bytes.baseAddress, bytes.count))
        }
    }

    /// The handshake datagrams that OpenSSL wrote since the last call: one flight, or nothing.
    func takeFlight() -> [[UInt8]] {
        var flight: [[UInt8]] = []
        while true {
            let count = unsafe dx_dtls_pending(pointer)
            guard count > 0 else { return flight }
            flight.append(
                unsafe [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
                    initialized = unsafe dx_dtls_take(pointer, memory.baseAddress, count)
                })
        }
    }

    private func outcome(_ result: Int32) -> Outcome {
        switch result {
        case 0: return .incomplete
        case 1: return unsafe dx_dtls_has_extended_master_secret(pointer) == 1 ? .complete : .failed(.weakHandshake)
        default:
            if unsafe dx_dtls_wrong_key(pointer) == 1 { return .failed(.wrongPeerKey) }
            return .failed(.dtls(code: unsafe dx_dtls_error(pointer)))
        }
    }
}
