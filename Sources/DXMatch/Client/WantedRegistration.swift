import DXWire

/// The registration that the owner wants, with what follows from it.
struct WantedRegistration<SigningKey> {
    /// The owner's words.
    let registration: MatchRegistration<SigningKey>
    /// The public half of the member key.
    let memberKey: PublicPoint
    /// Its hash.
    let memberTag: MemberTag
    /// By the member key, over all but the blob's bytes and the proof (`docs/matchmaking.md` §4.1).
    let signature: MatchSignature
    /// Whether the matchmaker holds another one, or none.
    var isNew = true

    /// Whether it is of the same member in the same group.
    func isSameMember(as other: WantedRegistration) -> Bool {
        registration.groupTag == other.registration.groupTag && memberKey == other.memberKey
    }

    /// Whether it says the same.
    func isSame(as other: WantedRegistration) -> Bool {
        isSameMember(as: other) && registration.blob == other.registration.blob
            && registration.revision == other.registration.revision
            && registration.lifetime == other.registration.lifetime
    }
}
