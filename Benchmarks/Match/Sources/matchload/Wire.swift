import DXMatch
import DXSecure
import DXWire

/// What goes over the wire (`docs/matchmaking.md` §2, §4), sealed and opened as gateways do it.
struct Wire {
    /// Hashes, the veil of this matchmaker's pin, the seals of tickets.
    let cryptography: OpenSSLMatchClientCryptography
    private var sequence: UInt64

    /// For the matchmaker with this pin.
    init(pin: GatewayID, sequence: UInt64) throws(SecureError) {
        cryptography = try OpenSSLMatchClientCryptography(pin: pin)
        self.sequence = sequence
    }

    /// The datagram of a request, and its number.
    mutating func request(_ body: [UInt8], _ group: Group) -> (datagram: [UInt8], sequence: UInt64)? {
        guard let ticket = group.ticket, let keys = group.keys else { return nil }
        sequence += 1
        let data = [UInt8](capacity: RequestMessage.associatedByteCount) {
            RequestMessage.writeAssociated(ticket: ticket, sequence: sequence, to: &$0)
        }
        guard let sealed = unsafe cryptography.seal(body.span.bytes, data: data.span.bytes, keys: keys),
            let datagram = self.datagram(data + sealed)
        else { return nil }
        return (datagram, sequence)
    }

    /// The datagram of a message.
    func datagram(_ message: [UInt8]) -> [UInt8]? { unsafe cryptography.seal(message: message.span.bytes) }

    /// The body of an answer; nil when it is not authentic.
    func body(of answer: AnswerMessage, _ message: [UInt8], _ group: Group) -> [UInt8]? {
        guard let keys = group.keys else { return nil }
        let message = unsafe message.span.bytes
        return cryptography.open(
            message.extracting(AnswerMessage.associatedByteCount...),
            data: message.extracting(..<AnswerMessage.associatedByteCount), keys: keys)
    }

    /// The body of a notice; nil when it is not authentic.
    func body(of notice: NoticeMessage, _ message: [UInt8], key: HandleKey) -> [UInt8]? {
        let message = unsafe message.span.bytes
        return cryptography.openNotice(
            message.extracting(NoticeMessage.associatedByteCount...),
            data: message.extracting(..<NoticeMessage.associatedByteCount), key: key)
    }
}
