import DXMatch
import DXMatchServer
import DXWire

/// Two connections to Redis, as long as both work: one for commands, one that hears the other instances. Of one thread.
final class RedisSession {
    private let names: RedisNames
    private let instance: UInt32
    private let commands: RedisConnection
    private let subscription: RedisConnection
    /// Replies that the commands in the buffer will have.
    private var awaited = 0
    /// Messages sent, heard, not understood, since they were last taken.
    var counts = MirrorStatistics()
    /// Whether Redis has forgotten a registration that lives.
    var hasForgotten = false

    /// Commands whose replies are waited for together: some hundred kilobytes at most.
    private static let pipeline = 512
    /// Keys that one SCAN looks at.
    private static let scanCount = 1_000

    /// Connects, and hears the other instances from then on.
    init(_ address: RedisAddress, _ names: RedisNames, instance: UInt32) throws(RedisError) {
        self.names = names
        self.instance = instance
        subscription = try RedisConnection(address)
        try subscription.append([Array("SUBSCRIBE".utf8), names.all, names.channel(ofInstance: instance)])
        try subscription.flush()
        commands = try RedisConnection(address)
    }

    /// For poll(2): readable when other instances said something.
    var descriptor: Int32 { subscription.descriptor }

    // MARK: Hearing

    /// Reads what has come.
    func read() throws(RedisError) { try subscription.read() }

    /// What the other instances said in what was read, at most so many; what is no message of theirs is not among it.
    func heard(atMost count: Int) throws(RedisError) -> (messages: [MirrorMessage], isAll: Bool) {
        var messages: [MirrorMessage] = []
        while messages.count < count {
            guard let reply = try subscription.buffered() else { return (messages, true) }
            if case .error(let words) = reply { throw RedisError(description: words) }
            guard case .array(let parts) = reply, parts.count == 3, case .bytes(let kind) = parts[0],
                kind == Array("message".utf8), case .bytes(let channel) = parts[1], case .bytes(let sealed) = parts[2]
            else { continue }
            guard let message = names.open(sealed, at: channel) else {
                counts.unreadable += 1
                continue
            }
            guard message.sender != instance else { continue }
            counts.received += 1
            messages.append(message)
        }
        return (messages, false)
    }

    /// Asks for a sign of life on both connections.
    func ping() throws(RedisError) {
        try subscription.append([Array("PING".utf8)])
        try subscription.flush()
        try commands.command("PING")
    }

    /// What other instances keep, handed out in pieces: registrations with what is left of their time, and messages of all else.
    func load(_ take: ([KeptRegistration], [MirrorMessage]) throws -> Void) throws {
        for pattern in names.patterns { try load(pattern, take) }
    }

    private func load(_ pattern: [UInt8], _ take: ([KeptRegistration], [MirrorMessage]) throws -> Void) throws {
        var cursor = Array("0".utf8)
        repeat {
            let reply = try commands.command(
                "SCAN", cursor, Array("MATCH".utf8), pattern, Array("COUNT".utf8), Array(String(Self.scanCount).utf8))
            guard case .array(let parts) = reply, parts.count == 2, case .bytes(let next) = parts[0],
                case .array(let found) = parts[1]
            else { throw RedisError(description: "SCAN has another answer than it should") }
            cursor = next
            let keys = found.compactMap { if case .bytes(let key) = $0 { key } else { nil } }
            if !keys.isEmpty { try read(keys, take) }
        } while cursor != Array("0".utf8)
    }

    private func read(_ keys: [[UInt8]], _ take: ([KeptRegistration], [MirrorMessage]) throws -> Void) throws {
        try commands.append([Array("MGET".utf8)] + keys)
        guard case .array(let values) = try commands.reply(), values.count == keys.count else {
            throw RedisError(description: "MGET has another answer than it should")
        }
        for key in keys { try commands.append([Array("PTTL".utf8), key]) }
        var registrations: [KeptRegistration] = []
        var others: [MirrorMessage] = []
        for (key, value) in zip(keys, values) {
            guard case .integer(let milliseconds) = try commands.reply() else {
                throw RedisError(description: "PTTL has another answer than it should")
            }
            // One that ended meanwhile has no value.
            guard case .bytes(let sealed) = value else { continue }
            guard let message = names.open(sealed, at: key) else {
                counts.unreadable += 1
                continue
            }
            guard message.sender != instance, milliseconds > 0 else { continue }
            if case .registered(let registration) = message {
                registrations.append(KeptRegistration(registration, remaining: .milliseconds(milliseconds)))
            } else {
                others.append(message)
            }
        }
        if !registrations.isEmpty || !others.isEmpty { try take(registrations, others) }
    }

    // MARK: Telling

    /// Tells the others what happened. `finish` waits until Redis has it.
    func send(_ event: RegistryEvent) throws(RedisError) {
        switch event {
        case .registered(let registration): try send(registration)
        case .refreshed(let key, let lifetime):
            try append("EXPIRE", [names.registration(key), Array(String(lifetime).utf8)])
            try publish(.refreshed(key, instance: instance, lifetime: lifetime), on: names.all)
        case .removed(let key):
            try append("DEL", [names.registration(key)])
            try publish(.removed(key, instance: instance), on: names.all)
        case .introduction(let other, let introduction):
            try publish(.introduction(introduction), on: names.channel(ofInstance: other))
        case .admitted(let admission):
            let name = names.admission(admission)
            let value = try names.seal(.admitted(admission), for: name)
            try append("SET", [name, value, Array("EX".utf8), Array(String(max(1, admission.lifetime)).utf8)])
            try publish(.admitted(admission), on: names.all)
        case .overflowed: hasForgotten = true
        }
    }

    /// Keeps a registration of this instance and tells the others of it.
    func send(_ registration: MirroredRegistration) throws(RedisError) {
        var registration = registration
        registration.instance = instance
        let name = names.registration(registration.key)
        let value = try names.seal(.registered(registration), for: name)
        try append("SET", [name, value, Array("EX".utf8), Array(String(max(1, registration.lifetime)).utf8)])
        try publish(.registered(registration), on: names.all)
    }

    /// Takes registrations of this instance out, and tells the others that it has ended.
    func end(_ registrations: [MirroredRegistration]) throws(RedisError) {
        for registration in registrations { try append("DEL", [names.registration(registration.key)]) }
        try publish(.ended(instance: instance), on: names.all)
        try finish()
    }

    private func publish(_ message: MirrorMessage, on channel: [UInt8]) throws(RedisError) {
        try append("PUBLISH", [channel, try names.seal(message, for: channel)])
        counts.sent += 1
    }

    private func append(_ name: String, _ arguments: [[UInt8]]) throws(RedisError) {
        try commands.append([Array(name.utf8)] + arguments)
        awaited += 1
        // EXPIRE of what is not there answers 0; so does PUBLISH where nobody hears it, which is no fault.
        forgettable.append(name == "EXPIRE")
        if awaited >= Self.pipeline { try finish() }
    }

    private var forgettable: [Bool] = []

    /// Waits for all replies.
    func finish() throws(RedisError) {
        defer {
            awaited = 0
            forgettable.removeAll(keepingCapacity: true)
        }
        for index in 0..<awaited {
            let reply = try commands.reply()
            if forgettable[index], reply == .integer(0) { hasForgotten = true }
        }
    }
}

extension MirrorMessage {
    /// The instance that speaks of itself; nil in an introduction, which is for the one that hears it, and in an admission, which
    /// is everybody's.
    var sender: UInt32? {
        switch self {
        case .registered(let registration): registration.instance
        case .refreshed(_, let instance, lifetime: _), .removed(_, let instance), .ended(let instance): instance
        case .introduction, .admitted: nil
        }
    }
}
