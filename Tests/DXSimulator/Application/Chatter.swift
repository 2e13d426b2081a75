internal import DXStream
internal import DXWire
internal import NIOCore

/// The part of a `TrafficPlan` beside streams: control bytes, which must all arrive in order, and unreliable messages,
/// each of which must arrive at most once and whole.
struct Chatter {
    private let controlToSend: Int
    private let controlToReceive: Int
    private let messagesToSend: Int
    private let messagesToReceive: Int
    private let sendKey: UInt64
    private let receiveKey: UInt64
    private let spacing: Interval
    private var controlSent = 0
    private var controlReceived = 0
    private var messagesSent = 0
    private var messagesSeen: Set<UInt64> = []
    /// When the next control or unreliable message goes; nil when all went.
    private(set) var nextSendAt: Instant?

    /// The part of the end with this role.
    init(_ plan: TrafficPlan, role: ChannelRole, start: Instant) {
        let isLower = role == .lower
        controlToSend = isLower ? plan.controlByteCounts.upward : plan.controlByteCounts.downward
        controlToReceive = isLower ? plan.controlByteCounts.downward : plan.controlByteCounts.upward
        messagesToSend = isLower ? plan.messageCounts.upward : plan.messageCounts.downward
        messagesToReceive = isLower ? plan.messageCounts.downward : plan.messageCounts.upward
        sendKey = 1 << 40 | UInt64(role.rawValue)
        receiveKey = 1 << 40 | UInt64(role.other.rawValue)
        spacing = plan.messageSpacing
        nextSendAt = controlToSend > 0 || messagesToSend > 0 ? start : nil
    }

    /// Whether all control bytes arrived and everything was sent.
    var isDone: Bool { controlReceived == controlToReceive && nextSendAt == nil }

    /// For the message of a failure.
    var text: String {
        "control: sent \(controlSent) of \(controlToSend), read \(controlReceived) of \(controlToReceive)"
    }

    /// Sends what is due.
    mutating func send(channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
        guard let due = nextSendAt, due <= now else { return }
        do throws(DXStream.ChannelError) {
            if controlSent < controlToSend {
                let count = min(1_500, controlToSend - controlSent)
                try channel.sendControl(
                    Content.bytes(key: sendKey, offset: UInt64(controlSent), count: count), now: now)
                controlSent += count
            }
            if messagesSent < messagesToSend {
                let number = UInt64(messagesSent)
                try channel.sendMessage(flow: number, Self.message(key: sendKey, number: number), now: now)
                messagesSent += 1
            }
        } catch { throw SimulationFailure("sending control bytes or a message failed: \(error)") }
        nextSendAt = controlSent < controlToSend || messagesSent < messagesToSend ? now + spacing : nil
    }

    /// Reads and checks control bytes.
    mutating func readControl(_ channel: inout MessageChannel, now: Instant) throws(SimulationFailure) {
        while let bytes = channel.readControl() {
            let difference = Content.firstDifference(in: bytes, key: receiveKey, offset: UInt64(controlReceived))
            try SimulationFailure.unless(difference == nil, "wrong control bytes from \(difference ?? 0) on")
            controlReceived += bytes.readableBytes
            try SimulationFailure.unless(controlReceived <= controlToReceive, "more control bytes than were sent")
        }
    }

    /// Checks an unreliable message.
    mutating func take(flow: UInt64, _ bytes: ByteBuffer) throws(SimulationFailure) {
        try SimulationFailure.unless(flow < UInt64(messagesToReceive), "message \(flow) was never sent")
        try SimulationFailure.unless(messagesSeen.insert(flow).inserted, "message \(flow) arrived twice")
        try SimulationFailure.unless(
            bytes == Self.message(key: receiveKey, number: flow), "message \(flow) arrived changed")
    }

    /// Sizes from nothing to most of the smallest packet.
    private static func message(key: UInt64, number: UInt64) -> ByteBuffer {
        Content.bytes(key: key, offset: 1 << 32 | number << 12, count: Int(number * 97 % 1_000))
    }
}
