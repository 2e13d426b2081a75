public import DXWire

/// All that is held of one registration, for whoever wants to see what a matchmaker knows. Two things it holds are not told: the
/// key of REFRESH and notices, which is a secret of the member's, and the marks of rates, which are times.
public struct MatchAuditEntry: Equatable, Sendable {
    /// What it is kept under.
    public var key: RegistrationKey
    /// The instance that has the socket; 0 is this one.
    public var instance: UInt32
    /// The socket on which the member was heard.
    public var socket: UInt8
    /// The name of the registration.
    public var handle: Handle
    /// Where the member was proved to be.
    public var address: Endpoint
    /// The member's count of registrations.
    public var revision: UInt64
    /// The highest sequence of a request.
    public var lastSequence: UInt64
    /// The highest count of a REFRESH.
    public var lastCount: UInt32
    /// The number of the last notice.
    public var lastNotice: UInt32
    /// The lifetime granted, in seconds.
    public var lifetime: UInt16
    /// How long it lives on when nothing comes; zero or less when it has ended and is about to be removed.
    public var remaining: Interval
    /// The sealed candidates.
    public var blob: [UInt8]
}

extension MatchServer {
    /// Everything that is held under a group tag, whatever the match keys, in the order of member tags. Looks at all groups.
    public func audit(_ tag: GroupTag, now: Instant) -> [MatchAuditEntry] {
        (0..<registry.groups.bound).filter { registry.groups[$0].tag == tag }.flatMap { group in
            registry.groups[group].members.map { slot in
                let registration = registry.registrations[slot]
                return MatchAuditEntry(
                    key: registry.key(of: slot), instance: registration.instance, socket: registration.socket,
                    handle: registration.handle, address: registration.address, revision: registration.revision,
                    lastSequence: registration.lastSequence, lastCount: registration.lastCount,
                    lastNotice: registration.lastNotice, lifetime: registration.lifetime,
                    remaining: registration.expiresAt - now, blob: registry.blobs.bytes(registration.blob))
            }
        }
    }
}
