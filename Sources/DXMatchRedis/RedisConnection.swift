import CHiredis
import Glibc

/// Why Redis cannot be used now.
struct RedisError: Error, CustomStringConvertible {
    let description: String
}

/// What Redis answers.
enum RedisReply: Equatable {
    case none
    case integer(Int64)
    case bytes([UInt8])
    case array([RedisReply])
    case error(String)
}

/// One connection to Redis. Blocks, each wait for at most `patience`; after an error only its end makes sense. Of one thread.
@safe
final class RedisConnection {
    private let context: UnsafeMutablePointer<redisContext>

    /// Longer than a busy server needs to answer, and shorter than anybody notices that instances do not hear of each other.
    private static let patienceMilliseconds: Int32 = 2_000

    /// Connects, with the password if there is one, and chooses the database.
    init(_ address: RedisAddress) throws(RedisError) {
        let password: [UInt8]?
        do { password = try address.password() } catch { throw RedisError(description: "\(error)") }
        var problem = [CChar](repeating: 0, count: 256)
        guard
            let context = unsafe dx_redis_connect(
                address.host, Int32(address.port), Self.patienceMilliseconds, &problem, problem.count)
        else {
            let words = String(decoding: problem.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw RedisError(description: words)
        }
        unsafe self.context = unsafe context
        if let password { try command("AUTH", password) }
        if address.database != 0 { try command("SELECT", Array(String(address.database).utf8)) }
    }

    deinit { unsafe redisFree(context) }

    /// For poll(2).
    var descriptor: Int32 { unsafe context.pointee.fd }

    /// Sends one command and waits for its reply. An error reply is thrown.
    @discardableResult
    func command(_ name: String, _ arguments: [UInt8]...) throws(RedisError) -> RedisReply {
        try append([Array(name.utf8)] + arguments)
        return try reply()
    }

    /// Puts one command into the buffer; `reply` sends it.
    func append(_ words: [[UInt8]]) throws(RedisError) {
        let bytes = words.flatMap { $0 }
        var lengths = words.map(\.count)
        let result = unsafe bytes.withUnsafeBytes { bytes -> Int32 in
            // An empty word has no place: any one that is there will do.
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            var offset = 0
            var places: [UnsafePointer<CChar>?] = unsafe []
            for length in lengths {
                unsafe places.append(start.map { unsafe $0 + offset })
                offset += length
            }
            return unsafe redisAppendCommandArgv(context, Int32(words.count), &places, &lengths)
        }
        guard result == REDIS_OK else { throw failure() }
    }

    /// Sends what is in the buffer and waits for the next reply. An error reply is thrown.
    func reply() throws(RedisError) -> RedisReply {
        var reply: UnsafeMutableRawPointer?
        guard unsafe redisGetReply(context, &reply) == REDIS_OK, let reply = unsafe reply else { throw failure() }
        defer { unsafe freeReplyObject(reply) }
        let value = unsafe Self.value(reply.assumingMemoryBound(to: redisReply.self))
        if case .error(let words) = value { throw RedisError(description: words) }
        return value
    }

    /// Sends what is in the buffer, for commands whose replies come as messages do.
    func flush() throws(RedisError) {
        var isDone: Int32 = 0
        repeat {
            guard unsafe redisBufferWrite(context, &isDone) == REDIS_OK else { throw failure() }
        } while isDone == 0
    }

    /// Reads what has come, once: poll(2) said that there is something.
    func read() throws(RedisError) {
        guard unsafe dx_redis_read(context) == 1 else { throw failure() }
    }

    /// The next reply or message that is whole; nil when there is none.
    func buffered() throws(RedisError) -> RedisReply? {
        var isBroken: Int32 = 0
        let reply = unsafe dx_redis_buffered(context, &isBroken)
        guard isBroken == 0 else { throw failure() }
        guard let reply = unsafe reply else { return nil }
        defer { unsafe freeReplyObject(reply) }
        return unsafe Self.value(reply)
    }

    private func failure() -> RedisError {
        let words = unsafe withUnsafeBytes(of: &context.pointee.errstr) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return RedisError(description: words.isEmpty ? "the connection failed" : words)
    }

    private static func value(_ reply: UnsafeMutablePointer<redisReply>) -> RedisReply {
        let reply = unsafe reply.pointee
        switch unsafe reply.type {
        case REDIS_REPLY_INTEGER: return unsafe .integer(reply.integer)
        case REDIS_REPLY_ARRAY:
            return unsafe .array(
                (0..<reply.elements).map { index in
                    guard let element = unsafe reply.element?[index] else { return .none }
                    return unsafe value(element)
                })
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS, REDIS_REPLY_ERROR:
            let bytes = unsafe UnsafeRawBufferPointer(start: reply.str, count: reply.len)
            if unsafe reply.type == REDIS_REPLY_ERROR { return unsafe .error(String(decoding: bytes, as: UTF8.self)) }
            return unsafe .bytes([UInt8](bytes))
        default: return .none
        }
    }
}
