public import DXStream
public import DXWire
internal import NIOCore

/// One end's part of a `TrafficPlan`, and the judge of what arrives: every byte once, in order, with the right content;
/// ends as they were sent; nothing that was not sent.
public final class Traffic: Application {
    /// How far each stream of the plan is.
    public private(set) var streams: [StreamProgress]
    /// How the channel ended, once it has.
    public private(set) var end: ChannelEnd?
    /// How many unreliable messages arrived.
    public private(set) var messagesReceived = 0
    private let plan: TrafficPlan
    private let role: ChannelRole
    private let start: Instant
    private var random: RandomSource
    private var byID: [StreamID: Int] = [:]
    private var openings: [Int]
    private var isWaitingForStreams = false
    private var chatter: Chatter
    private var nextPaceAt: Instant?

    /// The part of the end with this role, beginning at `start`.
    public init(_ plan: TrafficPlan, role: ChannelRole, seed: UInt64, start: Instant) {
        self.plan = plan
        self.role = role
        self.start = start
        random = RandomSource(seed: seed &* 2 &+ UInt64(role.rawValue))
        streams = plan.streams.enumerated().map {
            StreamProgress($1, index: $0, isOpener: $1.opener == role)
        }
        // Later ones last, so that the next is taken from the end.
        openings = plan.streams.indices.filter { plan.streams[$0].opener == role }
            .sorted { plan.streams[$0].opensAfter > plan.streams[$1].opensAfter }
        chatter = Chatter(plan, role: role, start: start)
    }

    // MARK: State

    /// Whether all streams have ended as planned and all control bytes arrived.
    public var isDone: Bool { chatter.isDone && streams.allSatisfy(\.isEnded) }

    /// The streams that are not finished.
    public var waitingFor: String {
        var texts = streams.filter { !$0.isEnded }.prefix(4).map(\.text)
        if !chatter.isDone { texts.append(chatter.text) }
        return texts.isEmpty ? "nothing" : texts.joined(separator: "; ")
    }

    /// The next opening, paced write or read, or message.
    public var nextActionAt: Instant? {
        guard end == nil else { return nil }
        var due = chatter.nextSendAt
        if let first = openings.last, !isWaitingForStreams {
            let at = start + plan.streams[first].opensAfter
            due = min(due ?? at, at)
        }
        if let nextPaceAt { due = min(due ?? nextPaceAt, nextPaceAt) }
        return due
    }

    // MARK: Inputs

    /// Does what is due.
    public func act(channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
        guard end == nil else { return }
        try openDue(&channel, now: now)
        if let due = nextPaceAt, due <= now {
            nextPaceAt = nil
            for index in streams.indices {
                if let at = streams[index].nextWriteAt, at <= now { try write(index, &channel, now: now) }
                if let at = streams[index].nextReadAt, at <= now { try read(index, &channel, now: now) }
                notePace(index)
            }
        }
        try chatter.send(channel: &channel, now: now)
    }

    /// Takes an event.
    public func handle(
        _ event: DXStream.ChannelEvent, channel: inout MessageChannel, now: Instant
    ) throws(SimulationFailure) {
        switch event {
        case .streamOpened(let frame): try accept(frame, &channel, now: now)
        case .readable(let id):
            let index = try index(of: id, event)
            streams[index].isReadable = true
            try read(index, &channel, now: now)
            notePace(index)
        case .writable(let id):
            let index = try index(of: id, event)
            try write(index, &channel, now: now)
            notePace(index)
        case .stopped(let id, let code):
            let index = try index(of: id, event)
            try SimulationFailure.unless(
                streams[index].sending.stopsAfter != nil && code == TrafficPlan.stopCode,
                "\(role): stream \(id) was stopped with \(code); its reader never did that")
            streams[index].hasSendingEnded = true
            streams[index].nextWriteAt = nil
        case .streamEnded(let id):
            let index = try index(of: id, event)
            try SimulationFailure.unless(
                streams[index].hasSendingEnded && streams[index].receivingEnd != nil && !streams[index].isEnded,
                "\(role): ended too early or twice: \(streams[index].text)")
            streams[index].isEnded = true
        case .streamsAvailable: isWaitingForStreams = false
        case .controlReadable: try chatter.readControl(&channel, now: now)
        case .message(let flow, let bytes):
            messagesReceived += 1
            try chatter.take(flow: flow, bytes)
        case .closed(let how): end = how
        case .streamAccepted, .pathDoubted, .pathSuspect, .pathDown, .pathUp, .pathValidated, .pathRetired: break
        }
    }

    private func index(of id: StreamID, _ event: DXStream.ChannelEvent) throws(SimulationFailure) -> Int {
        guard let index = byID[id] else { throw SimulationFailure("\(role): \(event) for a stream that is not open") }
        return index
    }

    // MARK: Opening

    private func openDue(_ channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
        while !isWaitingForStreams, let index = openings.last, start + plan.streams[index].opensAfter <= now {
            let stream = plan.streams[index]
            do throws(StreamError) {
                let id = try channel.openStream(
                    internalPort: UInt32(index), streamClass: stream.streamClass, share: stream.share, now: now)
                byID[id] = index
                streams[index].id = id
                openings.removeLast()
            } catch {
                guard error == .streamLimit else { throw SimulationFailure("\(role): opening failed: \(error)") }
                isWaitingForStreams = true
                return
            }
            try write(index, &channel, now: now)
            notePace(index)
        }
    }

    private func accept(
        _ frame: OpenFrame, _ channel: inout MessageChannel, now: Instant
    ) throws(SimulationFailure) {
        let index = Int(frame.internalPort)
        guard streams.indices.contains(index), streams[index].id == nil else {
            throw SimulationFailure("\(role): stream \(frame.id) was opened to port \(index), which nobody asked for")
        }
        let stream = plan.streams[index]
        try SimulationFailure.unless(
            stream.opener != role && frame.streamClass == stream.streamClass && frame.share == stream.share,
            "\(role): stream \(frame.id) was opened otherwise than its opener did: \(frame)")
        byID[frame.id] = index
        streams[index].id = frame.id
        try write(index, &channel, now: now)
        notePace(index)
    }

    // MARK: Writing and reading

    private func notePace(_ index: Int) {
        if let at = streams[index].nextWriteAt { nextPaceAt = min(nextPaceAt ?? at, at) }
        if let at = streams[index].nextReadAt { nextPaceAt = min(nextPaceAt ?? at, at) }
    }

    private func pause(upTo maximum: Interval, now: Instant) -> Instant {
        now + .nanoseconds(Int64(random.below(UInt64(maximum.nanoseconds)) + 1))
    }

    private func write(_ index: Int, _ channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
        guard let id = streams[index].id, !streams[index].hasSendingEnded else { return }
        if let at = streams[index].nextWriteAt, at > now { return }
        streams[index].nextWriteAt = nil
        let half = streams[index].sending
        while streams[index].writtenByteCount < half.byteCount {
            let room = channel.writableByteCount(id)
            guard room > 0 else { return }
            let left = half.byteCount - streams[index].writtenByteCount
            let size = half.writeSize.lowerBound + Int(random.below(UInt64(half.writeSize.count)))
            let count = Int(min(UInt64(min(room, size)), left))
            let bytes = Content.bytes(
                key: streams[index].sendingKey, offset: streams[index].writtenByteCount, count: count)
            do throws(StreamError) { try channel.write(bytes, to: id, now: now) } catch {
                throw SimulationFailure("\(role): a write was refused with \(error): \(streams[index].text)")
            }
            streams[index].writtenByteCount += UInt64(count)
            if half.writePause > .zero, random.chance(0.5) {
                streams[index].nextWriteAt = pause(upTo: half.writePause, now: now)
                return
            }
        }
        streams[index].hasSendingEnded = true
        switch half.ending {
        case .finish:
            do throws(StreamError) { try channel.finish(id, now: now) } catch {
                throw SimulationFailure("\(role): a FIN was refused with \(error): \(streams[index].text)")
            }
        case .reset(let code): channel.reset(id, code: code, now: now)
        }
    }

    private func read(_ index: Int, _ channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
        guard let id = streams[index].id else { return }
        if let at = streams[index].nextReadAt, at > now { return }
        streams[index].nextReadAt = nil
        while streams[index].isReadable, streams[index].receivingEnd == nil {
            let half = streams[index].receiving
            if let limit = half.stopsAfter, streams[index].readByteCount >= limit {
                endReceiving(index, .stopped, now: now)
                channel.stop(id, code: TrafficPlan.stopCode, now: now)
                return
            }
            switch channel.read(id, now: now) {
            case .none: streams[index].isReadable = false
            case .bytes(let bytes):
                try check(bytes, index)
                if streams[index].firstReadAt == nil { streams[index].firstReadAt = now }
                streams[index].readByteCount += UInt64(bytes.readableBytes)
            case .finished:
                try SimulationFailure.unless(
                    half.ending == .finish && streams[index].readByteCount == half.byteCount,
                    "\(role): FIN at the wrong place: \(streams[index].text)")
                endReceiving(index, .finished, now: now)
            case .reset(let code):
                try SimulationFailure.unless(
                    half.ending == .reset(code), "\(role): reset with \(code), not sent: \(streams[index].text)")
                endReceiving(index, .reset(code), now: now)
            }
            if half.readPause > .zero, random.chance(0.5) {
                streams[index].nextReadAt = pause(upTo: half.readPause, now: now)
                return
            }
        }
    }

    private func endReceiving(_ index: Int, _ how: StreamProgress.ReceivingEnd, now: Instant) {
        streams[index].receivingEnd = how
        streams[index].receivedAt = now
        streams[index].nextReadAt = nil
    }

    private func check(_ bytes: ByteBuffer, _ index: Int) throws(SimulationFailure) {
        let stream = streams[index]
        try SimulationFailure.unless(bytes.readableBytes > 0, "\(role): an empty chunk: \(stream.text)")
        try SimulationFailure.unless(
            stream.readByteCount + UInt64(bytes.readableBytes) <= stream.receiving.byteCount,
            "\(role): more than was sent: \(stream.text)")
        if let place = Content.firstDifference(in: bytes, key: stream.receivingKey, offset: stream.readByteCount) {
            throw SimulationFailure("\(role): wrong bytes from \(place) on: \(stream.text)")
        }
    }
}
