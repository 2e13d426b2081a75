import DXSecure
import DXSocket
import DXStream
import DXWire

/// From datagrams to packets.
extension GatewayCore: DatagramHandler {
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        // No such address is on any network.
        guard !source.isForwarded else { return drops.malformed &+= 1 }
        take(&datagram, from: source, local: local, ecn: ecn, now: now)
    }

    /// A datagram that came through another member, by way of `source`; false when it is not by whom it is said to be, as far as that can
    /// be seen: what is sealed says so itself.
    func receiveForwarded(_ datagram: [UInt8], from source: Endpoint, of peer: GatewayID) -> Bool {
        var bytes = datagram
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        if let session = session(for: raw), session.session.peerID != peer { return false }
        take(&raw, from: source, local: nil, ecn: .notECT, now: currentTime())
        return true
    }

    private func take(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        let now = tick(now)
        var found = session(for: datagram)
        if found == nil, let blackout {
            switch blackout.judge(datagram.bytes, from: source, at: local) {
            case .lost: return
            case .session(let session): found = session
            case .other: break
            }
        }
        guard let session = found else {
            if let relay, relay.takesKnown(datagram.bytes, from: source, local: local, ecn: ecn) { return }
            return receiveVeiled(datagram.bytes, from: source, local: local, ecn: ecn, now: now)
        }
        let size = datagram.byteCount
        guard FragmentHeader.isFragment(datagram.bytes) else {
            return receiveRecord(
                &datagram, on: session, datagramByteCount: size, from: source, local: local, ecn: ecn, now: now)
        }
        switch assembler.receive(datagram.bytes, ecn: ecn) {
        case .incomplete: break
        case .rejected: drops.rejected &+= 1
        case .complete(let place):
            let facts = assembler.facts(at: place)
            let count = assembler.withRecord(at: place) { open(&$0, on: session) }
            receivePlaintext(
                count, on: session, datagramByteCount: facts.wireByteCount, from: source, local: local,
                ecn: facts.ecn == .ce ? .ce : ecn, now: now)
        }
    }

    /// Takes the fragments of a whole record at once, else one datagram.
    func received(
        _ message: inout MutableRawSpan, of size: Int, from source: Endpoint, local: Endpoint?, ecn: ECNMark,
        now: Instant
    ) -> Int {
        guard !source.isForwarded, let run = FragmentRun(reading: message.bytes, datagramByteCount: size),
            let session = session(for: message)
        else {
            var datagram = message._mutatingExtracting(..<min(size, message.byteCount))
            received(&datagram, from: source, local: local, ecn: ecn, now: now)
            return datagram.byteCount
        }
        let now = tick(now)
        var output = unsafe OutputRawSpan(buffer: plaintext, initializedCount: 0)
        let outcome = session.session.open(run, in: &message, into: &output)
        let count = opened(output.byteCount, outcome, on: session)
        receivePlaintext(
            count, on: session, datagramByteCount: run.byteCount, from: source, local: local, ecn: ecn, now: now)
        return run.byteCount
    }

    /// A datagram that is no session's here: a veiled message, or what belongs to another event loop.
    private func receiveVeiled(
        _ datagram: RawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        // What is new is the other start's, which reads what comes next; what comes by this one's way is of a start before it.
        guard !isSucceeded else {
            relay?.take(datagram, from: source, local: local, ecn: ecn, now: now)
            return
        }
        if let match, !source.isForwarded, match.receive(datagram, from: source, at: local, now: now) { return }
        switch secure.receiveVeiled(datagram, from: source, at: local, now: now) {
        // At once: the first datagram of a new session may be the next of this batch.
        case .taken: drainSecureEvents(now: now)
        case .dropped(.notVeiled):
            // Of an earlier start of this gateway, perhaps.
            if let relay { return relay.take(datagram, from: source, local: local, ecn: ecn, now: now) }
            // The kernel gives session data to its loop, but not while a socket is being opened again.
            var reader = ByteReader(datagram)
            guard !isHandedOver, let owner = try? reader.readUInt8(), neighbours[owner] != nil else { return }
            handOver(datagram, to: owner, from: source, local: local, ecn: ecn)
        case .dropped: break
        case .check(let check):
            guard let match, let local, !swallows(check) else { break }
            match.receive(check, from: source, at: local, now: now)
        case .otherShard(let owner): handOver(datagram, to: owner, from: source, local: local, ecn: ecn)
        }
    }

    /// Gives a datagram to the event loop of this number, if it is another one of this gateway.
    private func handOver(_ datagram: RawSpan, to owner: UInt8, from source: Endpoint, local: Endpoint?, ecn: ECNMark) {
        guard !isHandedOver, let neighbour = neighbours[owner] else {
            drops.unknownSession &+= 1
            return
        }
        let bytes = unsafe datagram.withUnsafeBytes { unsafe [UInt8]($0) }
        let isTaken = neighbour.handOver(
            LoopNeighbour.Datagram(bytes: bytes, source: source, local: local, ecn: ecn))
        if isTaken { handedOver &+= 1 } else { drops.handOverFull &+= 1 }
    }

    /// A datagram that came to another event loop's socket.
    func receiveHandedOver(_ datagram: LoopNeighbour.Datagram) { receiveHandedOver([datagram]) }

    func batchEnded(now: Instant) {
        _ = tick(now)
        relay?.flush()
        turn()
    }

    func becameWritable(now: Instant) {
        for peer in peers { peer.markAll() }
        scheduleTurn()
    }

    private func receiveRecord(
        _ record: inout MutableRawSpan, on session: ChannelSession, datagramByteCount: Int, from source: Endpoint,
        local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        let count = open(&record, on: session)
        receivePlaintext(
            count, on: session, datagramByteCount: datagramByteCount, from: source, local: local, ecn: ecn, now: now)
    }

    /// Opens a record into `plaintext`; the bytes there, 0 when it is none of the session's.
    private func open(_ record: inout MutableRawSpan, on session: ChannelSession) -> Int {
        var output = unsafe OutputRawSpan(buffer: plaintext, initializedCount: 0)
        let outcome = session.session.open(&record, into: &output)
        return opened(output.byteCount, outcome, on: session)
    }

    /// Counts what came of a record; the bytes of its plaintext, 0 when it is none of the session's.
    private func opened(_ count: Int, _ outcome: OpenOutcome, on session: ChannelSession) -> Int {
        switch outcome {
        case .opened:
            if session.idChanges != session.session.idChanges { registerIDs(of: session) }
            return count
        case .replayed: drops.replayed &+= 1
        case .rejected: drops.rejected &+= 1
        case .notEstablished, .closed: drops.unbound &+= 1
        }
        return 0
    }

    private func session(for datagram: borrowing MutableRawSpan) -> ChannelSession? {
        guard datagram.byteCount > ConnectionID.byteCount else { return nil }
        var reader = ByteReader(datagram.bytes)
        guard let value = try? reader.readUInt64() else { return nil }
        let id = ConnectionID(rawValue: value)
        if let lastSession, lastID == id { return lastSession }
        guard let session = sessionsByID[id] else { return nil }
        lastSession = session
        lastID = id
        return session
    }

    private func receivePlaintext(
        _ count: Int, on session: ChannelSession, datagramByteCount: Int, from source: Endpoint, local: Endpoint?,
        ecn: ECNMark, now: Instant
    ) {
        guard count > 0 else { return }
        let plain = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: plaintext[0..<count]))
        var reader = ByteReader(plain)
        guard let kind = try? reader.peekUInt8() else { return }
        if kind == Bind.kind {
            // A session with a gateway that joins never belongs to a channel, whoever that is.
            guard !session.session.isJoin, let bind = try? Bind(reading: &reader),
                let peer = peersByID[session.session.peerID]
            else {
                drops.malformed &+= 1
                return
            }
            return peer.receive(bind, on: session, now: now)
        }
        guard let channel = session.channel else {
            if session.session.isJoin {
                group?.receiveJoin(plain, on: session, now: now)
            } else {
                drops.unbound &+= 1
            }
            return
        }
        let outcome = channel.transport.receive(
            plain, on: session.pathID, datagramByteCount: datagramByteCount, ecn: ecn,
            isFromCandidate: source == session.candidate && source != session.remote, now: now)
        session.bind.receivedPacket()
        if channel.hasReplaced { channel.retireOthers(than: session, now: now) }
        // A proof must be used before another address can take the candidate's place.
        if session.candidate != nil {
            channel.drainEvents(now: now)
        }
        if channel.isSuspended { channel.setSuspended(false) }
        if channel.isDoubted { channel.reviewDoubt() }
        switch outcome {
        case .accepted:
            if source != session.remote {
                noteAddress(source, local, byteCount: datagramByteCount, session, channel, now: max(latest, now))
            } else if session.local != local {
                session.local = local
                session.exit = exit(from: local)
            }
        case .dropped: drops.malformed &+= 1
        case .acceptedLate, .duplicate, .refused, .violation: break
        }
        if !channel.isMarked {
            channel.isMarked = true
            marked.append(channel)
        }
    }

    /// A session was heard from another address: prove it before it is used. While one is being proved others wait, or two
    /// that alternate would keep each other from ever being proved.
    private func noteAddress(
        _ source: Endpoint, _ local: Endpoint?, byteCount: Int, _ session: ChannelSession, _ channel: PeerChannel,
        now: Instant
    ) {
        // One through another member stays where it is: another session takes over.
        guard source.isSendable, !session.remote.isForwarded else { return }
        if session.candidate != source {
            guard !channel.transport.isValidating(session.pathID) else { return }
            channel.transport.pathCandidateChanged(session.pathID, now: now)
            session.candidate = source
        }
        session.candidateLocal = local
        channel.transport.pathHeardFromNewAddress(session.pathID, byteCount: byteCount, now: now)
    }
}
