public import DXMatch
public import DXSecure
public import DXWire

/// What one instance tells the others (`docs/matchmaking.md` §4.3). Always sealed: a registration holds its member's key.
public enum MirrorMessage: Equatable, Sendable {
    /// A registration that an instance has; its number is in it.
    case registered(MirroredRegistration)
    /// A registration of that instance lives on, for so many seconds.
    case refreshed(RegistrationKey, instance: UInt32, lifetime: UInt16)
    /// A registration of that instance is over.
    case removed(RegistrationKey, instance: UInt32)
    /// The instance that hears it is to tell a member of another.
    case introduction(MirroredIntroduction)
    /// A match key is served because a member of another one, which must be served too, wanted it.
    case admitted(MirroredAdmission)
    /// That instance has ended, and with it all that was registered there.
    case ended(instance: UInt32)

    private enum Kind: UInt8 {
        case registered = 1
        case refreshed
        case removed
        case introduction
        case ended
        case admitted
    }

    private static let version: UInt8 = 1
    private static let keyByteCount = 3 * 16
    /// More than any message has.
    private static let maximumByteCount = 256 + MatchConstants.maximumBlob

    // MARK: Sealed

    /// The message, sealed for one place in the store, so that it is nothing anywhere else. Nil when OpenSSL fails.
    ///
    /// - Parameter key: that all instances have (`MatchSecrets`).
    public func sealed(for place: [UInt8], key: Bytes32) -> [UInt8]? {
        let bytes = [UInt8](capacity: Self.maximumByteCount) { write(to: &$0) }
        return try? NoticeSeal.seal(bytes.raw, data: place.raw, key: key)
    }

    /// The message of what was sealed so; nil for anything else.
    public init?(sealed: [UInt8], for place: [UInt8], key: Bytes32) {
        guard let bytes = NoticeSeal.open(sealed.raw, data: place.raw, key: key) else { return nil }
        self.init(reading: bytes.raw)
    }

    // MARK: Plain

    @_lifetime(output: copy output)
    private func write(to output: inout OutputRawSpan) {
        func head(_ kind: Kind, _ output: inout OutputRawSpan) {
            output.write(kind.rawValue)
            output.write(Self.version)
        }
        switch self {
        case .registered(let registration):
            head(.registered, &output)
            Self.write(registration.key, to: &output)
            output.write(registration.instance)
            output.write(registration.handle.rawValue)
            registration.handleKey.write(to: &output)
            registration.address.write(to: &output, mask: .none)
            output.write(registration.revision)
            output.write(registration.lifetime)
            Self.write(blob: registration.blob, to: &output)
        case .refreshed(let key, let instance, let lifetime):
            head(.refreshed, &output)
            Self.write(key, to: &output)
            output.write(instance)
            output.write(lifetime)
        case .removed(let key, let instance):
            head(.removed, &output)
            Self.write(key, to: &output)
            output.write(instance)
        case .introduction(let introduction):
            head(.introduction, &output)
            output.write(introduction.target.rawValue)
            introduction.memberTag.write(to: &output)
            introduction.address.write(to: &output, mask: .none)
            output.write(introduction.nonce)
            output.write(introduction.revision)
            Self.write(blob: introduction.blob, to: &output)
        case .ended(let instance):
            head(.ended, &output)
            output.write(instance)
        case .admitted(let admission):
            head(.admitted, &output)
            admission.owner.write(to: &output)
            admission.guest.write(to: &output)
            output.write(admission.lifetime)
        }
    }

    @_lifetime(output: copy output)
    private static func write(_ key: RegistrationKey, to output: inout OutputRawSpan) {
        key.matchKey.write(to: &output)
        key.groupTag.write(to: &output)
        key.memberTag.write(to: &output)
    }

    @_lifetime(output: copy output)
    private static func write(blob: [UInt8], to output: inout OutputRawSpan) {
        precondition(blob.count <= MatchConstants.maximumBlob, "a blob has its limit")
        output.write(UInt16(blob.count))
        output.write(blob.raw)
    }

    private init?(reading bytes: RawSpan) {
        var reader = ByteReader(bytes)
        guard let first = try? reader.readUInt8(), let kind = Kind(rawValue: first),
            (try? reader.readUInt8()) == Self.version, let message = try? Self.read(kind, &reader)
        else { return nil }
        self = message
    }

    private static func read(_ kind: Kind, _ reader: inout ByteReader) throws(DecodeError) -> MirrorMessage {
        switch kind {
        case .registered:
            let key = try readKey(&reader)
            return .registered(
                MirroredRegistration(
                    key: key, instance: try reader.readUInt32(), handle: try Handle(reading: &reader),
                    handleKey: try HandleKey(reading: &reader), address: try Endpoint(reading: &reader, mask: .none),
                    revision: try reader.readUInt64(), lifetime: try reader.readUInt16(), blob: try readBlob(&reader)))
        case .refreshed:
            let key = try readKey(&reader)
            return .refreshed(key, instance: try reader.readUInt32(), lifetime: try reader.readUInt16())
        case .removed:
            let key = try readKey(&reader)
            return .removed(key, instance: try reader.readUInt32())
        case .introduction:
            return .introduction(
                MirroredIntroduction(
                    target: try Handle(reading: &reader), memberTag: try MemberTag(reading: &reader),
                    address: try Endpoint(reading: &reader, mask: .none), nonce: try reader.readUInt64(),
                    revision: try reader.readUInt64(), blob: try readBlob(&reader)))
        case .ended: return .ended(instance: try reader.readUInt32())
        case .admitted:
            return .admitted(
                MirroredAdmission(
                    owner: try MatchKeyHash(reading: &reader), guest: try MatchKeyHash(reading: &reader),
                    lifetime: try reader.readUInt16()))
        }
    }

    private static func readKey(_ reader: inout ByteReader) throws(DecodeError) -> RegistrationKey {
        RegistrationKey(
            matchKey: try MatchKeyHash(reading: &reader), groupTag: try GroupTag(reading: &reader),
            memberTag: try MemberTag(reading: &reader))
    }

    private static func readBlob(_ reader: inout ByteReader) throws(DecodeError) -> [UInt8] {
        let count = Int(try reader.readUInt16())
        guard count <= MatchConstants.maximumBlob else { throw .invalidValue }
        let bytes = try reader.readBytes(count)
        return [UInt8](capacity: count) { $0.write(bytes) }
    }
}

/// A registration of another instance as a store has it.
public struct KeptRegistration: Equatable, Sendable {
    /// What was registered.
    public var registration: MirroredRegistration
    /// How long the store would keep it.
    public var remaining: Interval

    /// A registration that is kept so long.
    public init(_ registration: MirroredRegistration, remaining: Interval) {
        self.registration = registration
        self.remaining = remaining
    }
}

extension MatchFront {
    /// Takes what another instance said.
    mutating func take(_ message: MirrorMessage, now: Instant) {
        switch message {
        case .registered(let registration):
            guard standing(of: registration.key.matchKey, now: now) != .stranger else { return }
            server.mirror(registration, now: now)
        case .refreshed(let key, let instance, lifetime: _): server.mirrorRefresh(key, instance: instance, now: now)
        case .removed(let key, let instance): server.mirrorRemoval(key, instance: instance)
        case .introduction(let introduction): server.deliver(introduction, now: now)
        case .ended(let instance): server.mirrorEnd(ofInstance: instance)
        case .admitted(let admission):
            guard groups.serves(admission.owner) else { return }
            server.mirror(admission, now: now)
        }
    }

    /// Takes a registration that was kept while nobody here heard of it.
    mutating func take(_ kept: KeptRegistration, now: Instant) {
        guard groups.serves(kept.registration.key.matchKey) else { return }
        server.mirrorKept(kept.registration, remaining: kept.remaining, now: now)
    }

    /// All registrations made here.
    func ownRegistrations(now: Instant) -> [MirroredRegistration] { server.ownRegistrations(now: now) }

    /// All admissions that are held, whoever heard of them.
    func heldAdmissions(now: Instant) -> [MirroredAdmission] { server.heldAdmissions(now: now) }
}
