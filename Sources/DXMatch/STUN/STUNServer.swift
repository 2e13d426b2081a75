public import DXWire

/// Answers STUN Binding requests on up to four sockets of one address family (`docs/matchmaking.md` §5, RFC 8489, RFC 5780): says
/// what to answer and from which of them. Pure; keeps nothing of a request but its prefix's rate.
///
/// Its answers go to addresses that anybody may have written on a request, so they are small and few: an answer is longer than its
/// request by at most `maximumGrowth` bytes, which is what the RFCs demand, and a prefix gets ten a second.
public struct STUNServer: Sendable {
    /// Where the sockets are, as clients see them. A socket is named by how it differs from the first.
    public struct Sockets: Equatable, Sendable, BitwiseCopyable {
        /// The first address and port.
        public var primary: Endpoint
        /// The other port of each address; nil if there is none.
        public var alternatePort: UInt16?
        /// The other address, with any port; nil if there is none.
        public var alternateAddress: Endpoint?

        /// Sockets at these.
        public init(primary: Endpoint, alternatePort: UInt16? = nil, alternateAddress: Endpoint? = nil) {
            self.primary = primary
            self.alternatePort = alternatePort
            self.alternateAddress = alternateAddress
        }

        /// Where the socket is that differs so from the first; nil if there is none.
        public func endpoint(_ socket: STUNChange) -> Endpoint? {
            var port = primary.port
            if socket.contains(.port) {
                guard let alternatePort else { return nil }
                port = alternatePort
            }
            guard socket.contains(.address) else { return primary.withPort(port) }
            return alternateAddress?.withPort(port)
        }
    }

    /// Why a datagram got no answer.
    public enum Drop: Error, Equatable, Sendable, BitwiseCopyable {
        /// It is not a Binding request.
        case notARequest
        /// It came from an address to which nothing can be sent.
        case unusableSource
        /// Its prefix had its share.
        case rateLimited
    }

    /// By how many bytes an answer may be longer than its request: XOR-MAPPED-ADDRESS, RESPONSE-ORIGIN and OTHER-ADDRESS with
    /// IPv6 addresses. With the headers of UDP and IPv6 that is twice a bare request.
    public static let maximumGrowth = 3 * 24
    /// The largest answer, in bytes: all addresses of IPv6, SOFTWARE, FINGERPRINT.
    public static let maximumAnswer = STUNMessage.headByteCount + 4 * 24 + 4 + maximumSoftware + 8
    /// The longest SOFTWARE, in bytes: as much as a name and a pin need.
    public static let maximumSoftware = 96

    /// Where the sockets are. May be changed between datagrams, where sockets stand for several addresses.
    public var sockets: Sockets
    private let software: [UInt8]
    private var budget: PrefixLimiter
    /// Requests that were answered, served or not.
    public private(set) var answered: UInt64 = 0
    /// Datagrams that were not.
    public private(set) var dropped: UInt64 = 0

    /// A server on these sockets.
    ///
    /// - Parameters:
    ///   - software: the text of SOFTWARE; cut to `maximumSoftware` bytes, none when empty.
    ///   - perSecond: answers to an address prefix, a second; twice as many at once.
    ///   - prefixes: how many are counted apart; all others share eight times the rate of one.
    ///   - seed: a secret.
    public init(_ sockets: Sockets, software: String, perSecond: Int = 10, prefixes: Int = 16_384, seed: Block32) {
        self.sockets = sockets
        self.software = Array(software.utf8.prefix(Self.maximumSoftware))
        let rate = max(1, min(perSecond, 100_000))
        budget = PrefixLimiter(perSecond: rate, burst: rate * 2, shared: rate * 8, capacity: prefixes, seed: seed)
    }

    /// Takes a datagram that may be STUN (`STUNMessage.isPossible`), and appends the answer.
    ///
    /// - Parameters:
    ///   - socket: the one that it came to.
    ///   - isVeiled: it came under the veil, from one who takes an OTHER-ADDRESS that differs in the port alone for what it is.
    ///   - output: has room for `maximumAnswer` bytes (a programming error otherwise: traps).
    /// - Returns: the socket that the answer, to `source`, must leave from. Nothing was appended when it throws.
    @_lifetime(output: copy output)
    public mutating func receive(
        _ datagram: RawSpan, from source: Endpoint, at socket: STUNChange, isVeiled: Bool = false,
        into output: inout OutputRawSpan, now: Instant
    ) throws(Drop) -> STUNChange {
        precondition(output.freeCapacity >= Self.maximumAnswer, "there is room for any answer")
        do {
            let answer = try answer(datagram, from: source, at: socket, isVeiled: isVeiled, into: &output, now: now)
            answered &+= 1
            return answer
        } catch {
            dropped &+= 1
            throw error
        }
    }

    @_lifetime(output: copy output)
    private mutating func answer(
        _ datagram: RawSpan, from source: Endpoint, at socket: STUNChange, isVeiled: Bool,
        into output: inout OutputRawSpan, now: Instant
    ) throws(Drop) -> STUNChange {
        // A response is never answered, or two servers would talk to each other for ever.
        guard let request = try? STUNMessage(reading: datagram), request.kind == .request else { throw .notARequest }
        guard source.isSendable else { throw .unusableSource }
        guard budget.take(source, now: now) else { throw .rateLimited }
        let leaving = socket.symmetricDifference(request.changeRequest ?? [])
        var unknown = request.unknownAttributes
        let origin = sockets.endpoint(leaving)
        // What cannot be done is not understood (RFC 5780 §6.1).
        if origin == nil { unknown.append(STUNAttribute.changeRequest) }
        guard let origin, unknown.count == 0 else {
            var answer = STUNMessage(kind: .failure, transaction: request.transaction)
            answer.errorCode = STUNMessage.unknownAttributeCode
            answer.unknownAttributes = unknown
            answer.hasFingerprint = request.hasFingerprint
            answer.write(to: &output)
            return socket
        }
        var answer = STUNMessage(kind: .success, transaction: request.transaction)
        answer.hasFingerprint = request.hasFingerprint
        answer.xorMappedAddress = source
        answer.responseOrigin = origin
        // What differs in both, or nothing (RFC 5780 §7.4).
        answer.otherAddress =
            sockets.endpoint(socket.symmetricDifference([.port, .address]))
            ?? (isVeiled ? sockets.endpoint(socket.symmetricDifference(.port)) : nil)
        let room = datagram.byteCount
        // The rest nobody needs who knows the cookie: it is there for who asked with so many bytes.
        answer.mappedAddress = source
        if answer.byteCount() > room { answer.mappedAddress = nil }
        if answer.byteCount(softwareByteCount: software.count) <= room {
            unsafe answer.write(software: software.span.bytes, to: &output)
        } else {
            answer.write(to: &output)
        }
        return leaving
    }
}
