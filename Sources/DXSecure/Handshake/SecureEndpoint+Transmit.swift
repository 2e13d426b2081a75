public import DXWire

/// What is sent: challenges first, then the messages of sessions, in the order in which they came to have some.
extension SecureEndpoint {
    /// The next datagram.
    @_lifetime(output: copy output)
    func transmit(into output: inout OutputRawSpan, now: Instant) -> Route? {
        while !answers.isEmpty {
            let answer = answers.removeFirst()
            if answer.receiver == silencedPeer { continue }
            let nonce = veil.nonce(to: answer.receiver, veil: answer.veil)
            let isSealed = seal(nonce: nonce, to: answer.receiver, veil: answer.veil, into: &output) { message in
                answer.message.write(to: &message)
            }
            guard isSealed else { continue }
            statistics.challengesSent &+= 1
            return Route(remote: answer.remote, local: answer.local)
        }
        while let session = sendQueue.first {
            // Its owner may have closed it since.
            if session.phase != .closed, let send = session.handshake.pollSend() {
                guard session.peerID != silencedPeer, transmit(send, of: session, into: &output) else { continue }
                return Route(remote: session.remote, local: session.local)
            }
            sendQueue.removeFirst()
            session.handshake.isQueued = false
            session.handshake.arm(now: now, random: &random)
            forgetTimeout()
        }
        return nil
    }

    /// One message of a session; false when OpenSSL could not sign or seal it, which is as if it were lost.
    @_lifetime(output: copy output)
    private func transmit(
        _ send: SessionHandshake.Send, of session: DTLSSession, into output: inout OutputRawSpan
    ) -> Bool {
        let handshake = session.handshake
        let number = if case .hello(let veil) = send { veil } else { handshake.veil }
        let nonce = veil.nonce(to: session.peerID, veil: number)
        switch send {
        case .hello(let veil):
            let signed = Hello.signedBytes(receiver: session.peerID, nonce: nonce, attempt: handshake.attempt)
            guard let signature = try? unsafe identity.sign(signed.span.bytes) else { return false }
            let hello = Hello(key: identity.publicKey, attempt: handshake.attempt, signature: signature)
            statistics.hellosSent &+= 1
            return seal(nonce: nonce, to: session.peerID, veil: veil, into: &output) { message in
                hello.write(to: &message)
            }
        case .connect(let index):
            let datagram = handshake.flight[index]
            guard let proof = handshake.proof else { preconditionFailure("CONNECT follows a challenge") }
            let signed = Connect.signedBytes(
                receiver: session.peerID, nonce: nonce, attempt: handshake.attempt, proof: proof,
                connectionID: session.receiveID)
            guard let signature = try? unsafe identity.sign(signed.span.bytes) else { return false }
            let connect = Connect(
                key: identity.publicKey, attempt: handshake.attempt, proof: proof, connectionID: session.receiveID,
                signature: signature, datagram: PacketSlice(offset: 0, count: 0))
            return seal(nonce: nonce, to: session.peerID, veil: handshake.veil, into: &output) { message in
                unsafe connect.write(datagram.span.bytes, to: &message)
            }
        case .handshake(let index):
            let datagram = handshake.flight[index]
            guard let peer = handshake.peerConnectionID else { preconditionFailure("HANDSHAKE needs a destination") }
            let head = Handshake(
                destination: peer, source: session.receiveID, datagram: PacketSlice(offset: 0, count: 0))
            return seal(nonce: nonce, to: session.peerID, veil: handshake.veil, into: &output) { message in
                unsafe head.write(datagram.span.bytes, to: &message)
            }
        }
    }

    /// The datagram of a message that the owner reads at the other end (`VeiledOutcome.check`), at most
    /// `SecureConstants.maximumVeiled` bytes less the veil's overhead; nil when its secret was taken away, or it is too long.
    ///
    /// - Parameter veil: that of the message which it answers; nil for the newest secret of the group's.
    public func seal(check message: RawSpan, to receiver: GatewayID, under veil: VeilNumber? = nil) -> [UInt8]? {
        let number = veil?.rawValue ?? self.veil.sending[0]
        let room = SecureConstants.maximumVeiled - SecureConstants.veilOverhead
        guard message.byteCount > 0, message.byteCount <= room else { return nil }
        let nonce = self.veil.nonce(to: receiver, veil: number)
        var isSealed = false
        let datagram = [UInt8](capacity: message.byteCount + SecureConstants.veilOverhead) { output in
            isSealed = (try? self.veil.seal(message, nonce: nonce, to: receiver, veil: number, into: &output)) != nil
        }
        return isSealed ? datagram : nil
    }

    /// Seals what `write` writes.
    @_lifetime(output: copy output)
    private func seal(
        nonce: VeilNonce, to receiver: GatewayID, veil number: Int, into output: inout OutputRawSpan,
        _ write: (inout OutputRawSpan) -> Void
    ) -> Bool {
        unsafe scratch.withUnsafeMutableBytes { memory in
            var message = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            write(&message)
            let count = unsafe message.finalize(for: memory)
            let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count]))
            return (try? veil.seal(bytes, nonce: nonce, to: receiver, veil: number, into: &output)) != nil
        }
    }
}
