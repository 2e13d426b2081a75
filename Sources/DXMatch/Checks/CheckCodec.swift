public import DXWire

/// From what a check list says to the bytes inside the veil and back (`docs/matchmaking.md` §7). The code that proves who sent it is
/// another's to make: `code` gets what it covers.
public enum CheckCodec {
    /// What somebody sent.
    public enum Received: Equatable, Sendable {
        /// A CHECK of this gateway.
        case check(CheckContent, sender: GatewayID)
        /// A CHECKED. It does not say by whom: whose transaction it is.
        case checked(CheckedContent)
    }

    /// The message of a check list.
    ///
    /// - Parameter sender: this gateway.
    public static func encode(
        _ message: CheckTransmit.Message, sender: GatewayID, code: (RawSpan) -> CheckCode
    ) -> [UInt8] {
        switch message {
        case .check(let content):
            var check = Check(
                sender: sender, transaction: content.transaction, priority: content.priority,
                flags: content.isNominated ? Check.nominates : 0)
            let covered = [UInt8](capacity: Check.coveredByteCount) { check.writeCovered(to: &$0) }
            check.code = unsafe code(covered.span.bytes)
            return [UInt8](capacity: MatchConstants.checkByteCount) { check.write(to: &$0) }
        case .checked(let content):
            var checked = Checked(transaction: content.transaction, observed: content.observed)
            let covered = [UInt8](capacity: Checked.maximumByteCount) { checked.writeCovered(to: &$0) }
            checked.code = unsafe code(covered.span.bytes)
            return [UInt8](capacity: Checked.maximumByteCount) { checked.write(to: &$0) }
        }
    }

    /// What a message says. Nothing of it is proved before `isGenuine` said so.
    public static func decode(_ message: RawSpan) throws(MatchDecodeError) -> Received {
        guard message.byteCount > 0 else { throw .malformed }
        if unsafe message.unsafeLoad(as: UInt8.self) == Check.type {
            let check = try Check(reading: message)
            let content = CheckContent(
                transaction: check.transaction, priority: check.priority,
                isNominated: check.flags & Check.nominates != 0)
            return .check(content, sender: check.sender)
        }
        let checked = try Checked(reading: message)
        return .checked(CheckedContent(transaction: checked.transaction, observed: checked.observed))
    }

    /// Whether a message that `decode` read ends with the right code.
    public static func isGenuine(_ message: RawSpan, code: (RawSpan) -> CheckCode) -> Bool {
        if let check = try? Check(reading: message) {
            return check.code.isEqualInConstantTime(to: code(message.extracting(first: Check.coveredByteCount)))
        }
        guard let checked = try? Checked(reading: message) else { return false }
        return checked.code.isEqualInConstantTime(to: code(message.extracting(first: checked.coveredByteCount)))
    }
}
