public import DXWire

/// What a CHECK says to this machine (`docs/matchmaking.md` §7): the bytes, the seal and the proof of who sent it are others'.
public struct CheckContent: Hashable, Sendable, BitwiseCopyable {
    /// Its name.
    public let transaction: TransactionID
    /// The priority that the sender's address has as a candidate if it was not known (RFC 8445 §7.1.1).
    public let priority: UInt32
    /// Whether the gateway that controls has chosen this pair.
    public let isNominated: Bool

    /// A check with these fields.
    public init(transaction: TransactionID, priority: UInt32, isNominated: Bool) {
        self.transaction = transaction
        self.priority = priority
        self.isNominated = isNominated
    }
}

/// What a CHECKED says: which check it answers, and where that came from.
public struct CheckedContent: Hashable, Sendable, BitwiseCopyable {
    /// The check's name.
    public let transaction: TransactionID
    /// The address that the check came from, as the answering gateway saw it.
    public let observed: Endpoint

    /// An answer with these fields.
    public init(transaction: TransactionID, observed: Endpoint) {
        self.transaction = transaction
        self.observed = observed
    }
}

/// A message to send.
public struct CheckTransmit: Hashable, Sendable, BitwiseCopyable {
    /// The socket's own address, one of the bases that the machine was told.
    public let base: Endpoint
    /// Where it goes.
    public let destination: Endpoint
    /// What it says.
    public let message: Message

    /// A check or an answer.
    public enum Message: Hashable, Sendable, BitwiseCopyable {
        /// CHECK.
        case check(CheckContent)
        /// CHECKED.
        case checked(CheckedContent)
    }

    /// A message with these fields.
    public init(base: Endpoint, destination: Endpoint, message: Message) {
        self.base = base
        self.destination = destination
        self.message = message
    }
}
