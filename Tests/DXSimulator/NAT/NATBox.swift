public import DXWire

/// A NAT, or a firewall without translation: mappings, the permissions of each, their ends. It moves no datagrams; `Internet`
/// asks it what becomes of one.
///
/// As in RFC 4787 a box is two independent questions, and each is answered by leaving fields of a key out: a mapping is found
/// by the inside endpoint and as much of the destination as `mapping` says, a permission by as much of the remote as
/// `filtering` says. Mappings and permissions expire each for itself, when they are looked at.
public final class NATBox {
    /// How it behaves; may change at any time, for what is mapped from then on.
    public var rules: NATRules
    /// The outside address, with port 0; unused by a firewall.
    public private(set) var publicAddress: Endpoint
    /// How many datagrams from outside found no mapping, or no permission.
    public private(set) var refusedCount = 0
    /// How many mappings were made.
    public private(set) var mappingCount = 0

    private struct Key: Hashable {
        let inside: Endpoint
        let remote: Endpoint
    }

    private struct Mapping {
        let key: Key
        let external: Endpoint
        var usedAt: Instant
        var permissions: [Endpoint: Instant]
        /// Made by request (PCP, UPnP): never ends, lets everyone in.
        var isStatic = false
    }

    private var random: RandomSource
    private var mappings: [Key: Mapping] = [:]
    /// Which mappings have an outside endpoint; several have it when ports are preserved.
    private var owners: [Endpoint: [Key]] = [:]
    private var forwards: [Endpoint: Key] = [:]
    private var lastPort: UInt16

    /// Stands for "whatever the remote is" in a key.
    private static let anyone = Endpoint(v4: 0, port: 0)

    /// A box without mappings. Its choice of ports depends on `random` alone.
    public init(rules: NATRules, publicAddress: Endpoint, random: RandomSource) {
        self.rules = rules
        self.publicAddress = publicAddress.withPort(0)
        self.random = random
        lastPort = 0
        lastPort = anyPort()
    }

    // MARK: Datagrams

    /// A datagram goes out: its source as the outside sees it, or nil when it does not pass.
    public func outbound(source: Endpoint, destination: Endpoint, now: Instant) -> Endpoint? {
        guard rules.passesUDP else { return nil }
        let key = forwards[source] ?? Key(inside: source, remote: Self.part(of: destination, for: rules.mapping))
        if let mapping = mappings[key], !isLive(mapping, now: now) { forget(mapping) }
        if mappings[key] == nil {
            guard let external = external(for: source, now: now) else { return nil }
            mappings[key] = Mapping(key: key, external: external, usedAt: now, permissions: [:])
            owners[external, default: []].append(key)
            mappingCount += 1
        }
        mappings[key]?.usedAt = now
        mappings[key]?.permissions[Self.part(of: destination, for: rules.filtering)] = now
        return mappings[key]?.external
    }

    /// A datagram comes in: the inside endpoint that it is for, or nil when it does not pass.
    public func inbound(source: Endpoint, destination: Endpoint, now: Instant) -> Endpoint? {
        guard rules.passesUDP else { return nil }
        let permission = Self.part(of: source, for: rules.filtering)
        for key in owners[destination] ?? [] {
            guard let mapping = mappings[key], isLive(mapping, now: now) else { continue }
            if mapping.isStatic { return key.inside }
            // Where several mappings share a preserved port, the one that knows the remote is meant.
            guard let since = mapping.permissions[permission], now - since <= rules.timeout else { continue }
            if rules.refresh == .both {
                mappings[key]?.usedAt = now
                mappings[key]?.permissions[permission] = now
            }
            return key.inside
        }
        refusedCount += 1
        return nil
    }

    // MARK: What people do to it

    /// Forgets all that is mapped, as after a power cut.
    public func reboot() {
        for (key, mapping) in mappings where !mapping.isStatic {
            owners[mapping.external] = nil
            mappings[key] = nil
        }
        lastPort = anyPort()
    }

    /// Gets another outside address; mappings of the old one are void.
    public func change(publicAddress: Endpoint) {
        reboot()
        self.publicAddress = publicAddress.withPort(0)
    }

    /// Maps a port by request, as PCP does: everyone may come in, and what `inside` sends leaves by it. The outside endpoint.
    public func forward(port: UInt16, to inside: Endpoint) -> Endpoint {
        let key = Key(inside: inside, remote: Self.anyone)
        let external = rules.translates ? publicAddress.withPort(port) : inside
        var mapping = Mapping(key: key, external: external, usedAt: .zero, permissions: [:])
        mapping.isStatic = true
        mappings[key] = mapping
        owners[external] = [key]
        forwards[inside] = key
        return external
    }

    /// Others behind the box begin `count` connections: sequential ports move on.
    public func othersConnect(_ count: Int) {
        for _ in 0..<count { lastPort = port(after: lastPort) }
    }

    // MARK: Keys

    private static func part(of remote: Endpoint, for scope: NATRules.Scope) -> Endpoint {
        switch scope {
        case .endpointIndependent: anyone
        case .addressDependent: remote.withPort(0)
        case .addressAndPortDependent: remote
        }
    }

    private func isLive(_ mapping: Mapping, now: Instant) -> Bool {
        mapping.isStatic || now - mapping.usedAt <= rules.timeout
    }

    private func forget(_ mapping: Mapping) {
        mappings[mapping.key] = nil
        owners[mapping.external]?.removeAll { $0 == mapping.key }
        if owners[mapping.external]?.isEmpty == true { owners[mapping.external] = nil }
    }

    // MARK: Ports

    private func external(for inside: Endpoint, now: Instant) -> Endpoint? {
        guard rules.translates else { return inside }
        var candidate =
            switch rules.ports {
            case .preserve: inside.port
            case .sequential: port(after: lastPort)
            case .random: anyPort()
            }
        // A box with so many live mappings that none of these is free drops the datagram.
        for _ in 0..<rules.range.count {
            let external = publicAddress.withPort(candidate)
            if isFree(external, for: inside, now: now) {
                lastPort = candidate
                return external
            }
            candidate =
                switch rules.ports {
                case .preserve: candidate < rules.range.upperBound ? candidate + 1 : rules.range.lowerBound
                case .sequential: port(after: candidate)
                case .random: anyPort()
                }
        }
        return nil
    }

    /// Free is a port without live mappings; one that is preserved may also be shared by mappings of the same inside endpoint.
    private func isFree(_ external: Endpoint, for inside: Endpoint, now: Instant) -> Bool {
        guard let keys = owners[external] else { return true }
        for key in keys {
            guard let mapping = mappings[key] else { continue }
            if !isLive(mapping, now: now) {
                forget(mapping)
            } else if rules.ports != .preserve || mapping.key.inside != inside {
                return false
            }
        }
        return true
    }

    private func port(after port: UInt16) -> UInt16 {
        guard case .sequential(let step) = rules.ports else { return port }
        let (next, overflow) = port.addingReportingOverflow(step)
        return overflow || !rules.range.contains(next) ? rules.range.lowerBound : next
    }

    private func anyPort() -> UInt16 {
        rules.range.lowerBound + UInt16(random.below(UInt64(rules.range.count)))
    }
}
