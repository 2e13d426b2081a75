import DXSecure
import DXSocket
import DXStream
import DXWire

/// From packets to datagrams.
extension GatewayCore {
    /// Sends the next packet of a channel, unless that is lost in what is rehearsed; its bytes, or nil when there is none.
    func transmit(_ channel: PeerChannel, _ sender: DatagramSender, past blackout: Blackout?, now: Instant) -> Int? {
        var output = unsafe OutputRawSpan(buffer: packet, initializedCount: 0)
        guard let transmit = channel.transport.pollTransmit(into: &output, now: now) else { return nil }
        let count = output.byteCount
        guard let session = channel.session(of: transmit.path) else { return count }
        let remote: Endpoint
        let local: Endpoint?
        switch transmit.destination {
        case .current: (remote, local) = (session.remote, session.local)
        case .candidate: (remote, local) = (session.candidate ?? session.remote, session.candidateLocal)
        }
        if let blackout, blackout.swallows(to: remote, from: local) { return count }
        let sender = outlets.isEmpty ? sender : self.sender(for: local) ?? sender
        let plain = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: packet[0..<count]))
        if count &+ session.session.sealOverhead > transmit.datagramByteCount {
            sealInFragments(
                plain, of: transmit.datagramByteCount, on: session, from: local, to: remote, ecn: transmit.ecn, sender)
        } else {
            seal(plain, on: session, from: local, to: remote, ecn: transmit.ecn, sender)
        }
        return count
    }

    /// Seals a packet that is larger than a datagram and queues it as fragments: full ones and a rest, which is what one
    /// GSO run takes (`docs/wire-format.md` §2.2).
    private func sealInFragments(
        _ plain: RawSpan, of datagramByteCount: Int, on session: ChannelSession, from local: Endpoint?,
        to remote: Endpoint, ecn: ECNMark, _ sender: DatagramSender
    ) {
        // Such a path has no packets of several datagrams.
        guard !remote.isForwarded else { return }
        let source = local?.family == remote.family ? local : nil
        let body = plain.byteCount &+ session.session.sealOverhead &- FragmentHeader.recordHeadByteCount
        let count = FragmentHeader.count(body: body, datagramByteCount: datagramByteCount)
        do throws(SecureError) {
            try sender.appendRun(
                to: remote, from: source, over: source == session.local ? session.exit : exit(from: source), ecn: ecn,
                maximumByteCount: body &+ count &* FragmentHeader.byteCount,
                datagramByteCount: datagramByteCount
            ) { output throws(SecureError) in
                try session.session.sealInFragments(plain, of: datagramByteCount, into: &output)
            }
        } catch { drops.sealFailures &+= 1 }
    }

    private func seal(
        _ plain: RawSpan, on session: ChannelSession, from local: Endpoint?, to remote: Endpoint, ecn: ECNMark,
        _ sender: DatagramSender
    ) {
        let source = local?.family == remote.family ? local : nil
        do throws(SecureError) {
            let size = plain.byteCount + session.session.sealOverhead
            if remote.isForwarded {
                try forwarding.send(to: remote, maximumByteCount: size) { output throws(SecureError) in
                    try session.session.seal(plain, into: &output)
                }
                return
            }
            let exit = source == session.local ? session.exit : exit(from: source)
            try sender.append(to: remote, from: source, over: exit, ecn: ecn, maximumByteCount: size) {
                output throws(SecureError) in try session.session.seal(plain, into: &output)
            }
        } catch { drops.sealFailures &+= 1 }
    }

    /// The sender of the socket with the port of this address of ours; that of the gateway's port unless it is another one.
    func sender(for local: Endpoint?) -> DatagramSender? {
        outlets.isEmpty ? socket?.sender : outlets.sender(for: local) ?? socket?.sender
    }

    /// The interface that datagrams from an address of ours are to leave through; 0 leaves it to the routing table.
    func exit(from local: Endpoint?) -> UInt32 {
        guard let local, let network, network.snapshot.hasSeveralWays else { return 0 }
        return network.snapshot.exit(from: local)
    }

    /// Queues a datagram that is no session's; the turn sends it.
    func send(_ datagram: RawSpan, to remote: Endpoint, from local: Endpoint?) {
        if let blackout, blackout.swallowsAny(to: remote, from: local) { return }
        if remote.isForwarded {
            forwarding.send(to: remote, maximumByteCount: datagram.byteCount) { $0.write(datagram) }
            return
        }
        let source = local?.family == remote.family ? local : nil
        sender(for: local)?.append(
            to: remote, from: source, over: exit(from: source), ecn: .notECT, maximumByteCount: datagram.byteCount
        ) { $0.write(datagram) }
        if !isInTurn { scheduleTurn() }
    }

    /// Sends a BIND on a session.
    func send(_ bind: Bind, on session: ChannelSession) { send(on: session) { bind.write(to: &$0) } }

    /// Sends a plaintext that is no packet of a channel.
    func send(_ plaintext: [UInt8], on session: ChannelSession) {
        send(on: session) { unsafe $0.write(plaintext.span.bytes) }
    }

    private func send(on session: ChannelSession, _ write: (inout OutputRawSpan) -> Void) {
        guard let sender = sender(for: session.local) else { return }
        if let blackout, blackout.swallows(on: session) { return }
        var output = unsafe OutputRawSpan(buffer: packet, initializedCount: 0)
        write(&output)
        let count = output.byteCount
        let plain = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: packet[0..<count]))
        seal(plain, on: session, from: session.local, to: session.remote, ecn: .notECT, sender)
        // Outside a turn nobody else would send it.
        if !isInTurn { scheduleTurn() }
    }
}
