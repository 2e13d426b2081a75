public import DXWire

/// A registration as instances tell each other of it. Its key is a secret: what carries it must be as well guarded as a
/// matchmaker's memory.
public struct MirroredRegistration: Equatable, Sendable {
    /// What it is kept under.
    public var key: RegistrationKey
    /// The instance that has the socket on which the member was heard; never 0 between instances.
    public var instance: UInt32
    /// Its name.
    public var handle: Handle
    /// The key of REFRESH and notices.
    public var handleKey: HandleKey
    /// Where it was proved to be.
    public var address: Endpoint
    /// The member's count of registrations.
    public var revision: UInt64
    /// How long it is good from now, in seconds; renewed by `RegistryEvent.refreshed`.
    public var lifetime: UInt16
    /// The sealed candidates.
    public var blob: [UInt8]

    /// A registration with these fields.
    public init(
        key: RegistrationKey, instance: UInt32, handle: Handle, handleKey: HandleKey, address: Endpoint,
        revision: UInt64, lifetime: UInt16, blob: [UInt8]
    ) {
        self.key = key
        self.instance = instance
        self.handle = handle
        self.handleKey = handleKey
        self.address = address
        self.revision = revision
        self.lifetime = lifetime
        self.blob = blob
    }
}

/// An introduction on its way to the instance that has the socket at which the other member is registered.
public struct MirroredIntroduction: Equatable, Sendable {
    /// The registration that is to be told.
    public var target: Handle
    /// The member that asked.
    public var memberTag: MemberTag
    /// Where that member is listed.
    public var address: Endpoint
    /// The name of the introduction.
    public var nonce: UInt64
    /// The asker's revision.
    public var revision: UInt64
    /// The asker's blob.
    public var blob: [UInt8]

    /// An introduction with these fields.
    public init(
        target: Handle, memberTag: MemberTag, address: Endpoint, nonce: UInt64, revision: UInt64, blob: [UInt8]
    ) {
        self.target = target
        self.memberTag = memberTag
        self.address = address
        self.nonce = nonce
        self.revision = revision
        self.blob = blob
    }
}

/// An admission as instances tell each other of it (`docs/matchmaking.md` §4.4).
public struct MirroredAdmission: Hashable, Sendable, BitwiseCopyable {
    /// The match key whose member asked.
    public var owner: MatchKeyHash
    /// The match key that is served because of it.
    public var guest: MatchKeyHash
    /// How long from now, in seconds.
    public var lifetime: UInt16

    /// An admission with these fields.
    public init(owner: MatchKeyHash, guest: MatchKeyHash, lifetime: UInt16) {
        self.owner = owner
        self.guest = guest
        self.lifetime = lifetime
    }
}

/// What other instances want to know of this one. Only registrations made here are told of.
public enum RegistryEvent: Equatable, Sendable {
    /// A member registered, or registered anew. The instance is 0: who passes it on puts in its own number.
    case registered(MirroredRegistration)
    /// A registration's lifetime, of so many seconds, began anew. Not told each time, but once in a quarter of it.
    case refreshed(RegistrationKey, lifetime: UInt16)
    /// A registration left or ended.
    case removed(RegistrationKey)
    /// A member is to be told of another, by the instance with this number.
    case introduction(instance: UInt32, MirroredIntroduction)
    /// A match key was admitted, or for longer.
    case admitted(MirroredAdmission)
    /// More happened than was taken from here: all of it is forgotten, and `mirrored` tells what is held.
    case overflowed
}
