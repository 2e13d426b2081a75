import DXWire

/// What a group says about one micro-tunnel (`docs/group.md` §3.4).
struct TunnelRecord: Hashable, Sendable {
    /// A random number that stays when the tunnel is renamed.
    typealias ID = MemberRecord.ID

    /// Which members are an end.
    enum Selector: Hashable, Sendable {
        case member(MemberRecord.ID)
        /// All that have it, now or later.
        case label(Label)
    }

    /// Members where applications connect.
    struct Origin: Hashable, Sendable {
        var selector: Selector
        /// Where they connect; nil when connections come from the program alone.
        var listen: TunnelAddress?
        /// The permissions of a unix socket's file; nil for 0600.
        var socketMode: UInt16?
    }

    /// Members where connections come out.
    struct Destination: Hashable, Sendable {
        var selector: Selector
        /// The address, or a name that only the destination knows; nil when the program is the target.
        var target: TunnelAddress?
        /// Among those of the same order, how much of the connections it gets.
        var weight: UInt64 = 1
        /// Lower ones first.
        var order: UInt64 = 0
    }

    var name: String
    var isEnabled = true
    var origins: [Origin] = []
    var destinations: [Destination] = []
    /// Where clients may connect from, at the origins; none is everywhere.
    var allowed: [AddressRange] = []
    /// As `GatewayConfiguration.Tunnel`.
    var schedulingClass = GatewayConfiguration.SchedulingClass.bulk
    var share: Int = GatewayConfiguration.Tunnel.defaultShare
    var maximumConnections: Int = GatewayConfiguration.Tunnel.defaultMaximumConnections
    var maximumRate: UInt64?
    /// As `GatewayConfiguration.Tunnel`. A command is named and never brought along.
    var healthCheck: GatewayConfiguration.HealthCheck?
    var isSticky = false
    var failback: GatewayConfiguration.Failback?
    var hold: Duration?
    /// Until when the destination serves it, in seconds since 1970; nil is for ever.
    var until: UInt64?
    /// For how many seconds it is in force unless it is said again without this; then what was there before is again.
    var trialSeconds: UInt64?
    /// What it carries.
    var networkProtocol = GatewayConfiguration.NetworkProtocol.tcp
    /// After how many seconds without a byte a connection is reset, or a flow of datagrams ends; nil is never, and the usual time.
    var idleSeconds: Int?
    /// Whether the target is told who the client is (PROXY protocol version 2).
    var proxyProtocol = false
    /// As `GatewayConfiguration.Tunnel`.
    var compression: GatewayConfiguration.Compression?
    /// What a newer version says that a gateway must know to serve the tunnel, and this one does not (`docs/group.md` §3.4).
    private(set) var unknownNeeds: Set<UInt64> = []
    private var unknown = RecordFields()

    /// At most so many origins, destinations and address ranges, each.
    static let mostEnds = 256

    private enum Field {
        static let name: UInt64 = 1
        static let disabled: UInt64 = 2
        static let origin: UInt64 = 3
        static let destination: UInt64 = 4
        static let allowed: UInt64 = 5
        static let interactive: UInt64 = 6
        static let share: UInt64 = 7
        static let connections: UInt64 = 8
        static let rate: UInt64 = 9
        static let until: UInt64 = 10
        static let trial: UInt64 = 11
        static let idle: UInt64 = 20
        static let proxyProtocol: UInt64 = 21
        static let compression: UInt64 = 22
        static let need: UInt64 = 23
        static let demandingOrigin: UInt64 = 24
        static let demandingDestination: UInt64 = 25
        static let networkProtocol: UInt64 = 26
        // Those from 32 on may be ignored by a gateway that does not know them.
        static let health: UInt64 = 32
        static let sticky: UInt64 = 33
        static let failback: UInt64 = 34
        static let hold: UInt64 = 35
        static let all = Set<UInt64>(1...11).union(20...26).union(32...35)
        static let demands: Set = [need, demandingOrigin, demandingDestination]
    }

    /// What a gateway must know to serve a tunnel that has it (`docs/group.md` §3.4).
    enum Need {
        /// Unix sockets.
        static let unixSockets: UInt64 = 1
        /// Ranges of ports.
        static let portRanges: UInt64 = 2
        /// The PROXY protocol.
        static let proxyProtocol: UInt64 = 3
        /// Datagrams.
        static let udp: UInt64 = 4
        static let known = Set<UInt64>(1...4)
    }

    /// What of it a gateway must know, as far as this one knows it itself.
    private var needs: Set<UInt64> {
        var needs: Set<UInt64> = []
        for address in origins.compactMap(\.listen) + destinations.compactMap(\.target) {
            switch address {
            case .unix: needs.insert(Need.unixSockets)
            case .tcp(_, let count): if count > 1 { needs.insert(Need.portRanges) }
            }
        }
        if proxyProtocol { needs.insert(Need.proxyProtocol) }
        if networkProtocol == .udp { needs.insert(Need.udp) }
        return needs
    }

    private enum HealthField {
        static let kind: UInt64 = 1
        static let interval: UInt64 = 2
        static let timeout: UInt64 = 3
        static let rise: UInt64 = 4
        static let fall: UInt64 = 5
    }

    private enum EndField {
        static let member: UInt64 = 1
        static let label: UInt64 = 2
        static let address: UInt64 = 3
        static let weight: UInt64 = 4
        static let order: UInt64 = 5
        static let socketMode: UInt64 = 20
    }

    /// A tunnel without ends; with what a newer version said of one that it takes the place of.
    init(name: String, keepingUnknownOf other: TunnelRecord? = nil) {
        self.name = name
        unknown = other?.unknown ?? RecordFields()
    }

    /// Reads a record's body.
    init(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        guard let name = try fields.text(Field.name), NameRule.isValid(name) else { throw .invalidValue }
        self.name = name
        isEnabled = try fields.integer(Field.disabled) != 1
        let demands = try readNeeds(fields)
        for value in fields.all(Field.origin) + demands.all(Field.demandingOrigin) {
            let end = try RecordFields(value)
            origins.append(
                Origin(
                    selector: try Self.selector(end), listen: try Self.address(end),
                    socketMode: try end.integer(EndField.socketMode).map { UInt16(clamping: $0 & 0o777) }))
        }
        for value in fields.all(Field.destination) + demands.all(Field.demandingDestination) {
            let end = try RecordFields(value)
            destinations.append(
                Destination(
                    selector: try Self.selector(end), target: try Self.address(end),
                    weight: try end.integer(EndField.weight) ?? 1, order: try end.integer(EndField.order) ?? 0))
        }
        for value in fields.all(Field.allowed) {
            guard let range = AddressRange(try RecordFields.text(value)) else { throw .invalidValue }
            allowed.append(range)
        }
        guard max(origins.count, destinations.count, allowed.count) <= Self.mostEnds else { throw .invalidValue }
        if try fields.integer(Field.interactive) == 1 { schedulingClass = .interactive }
        share = try Self.number(fields, Field.share, in: 1...256) ?? share
        maximumConnections = try Self.number(fields, Field.connections, in: 1...65_536) ?? maximumConnections
        maximumRate = try fields.integer(Field.rate)
        until = try fields.integer(Field.until)
        trialSeconds = try fields.integer(Field.trial)
        idleSeconds = try Self.number(fields, Field.idle, in: 1...604_800)
        proxyProtocol = try fields.integer(Field.proxyProtocol) == 2
        if try fields.integer(Field.compression) == 1 { compression = .deflate }
        if try fields.integer(Field.networkProtocol) == 1 { networkProtocol = .udp }
        healthCheck = try Self.healthCheck(fields)
        isSticky = try fields.integer(Field.sticky) == 1
        failback = try fields.integer(Field.failback).map { value in
            value == 0 ? .manual : .after(.milliseconds(Int64(clamping: min(value - 1, 3_600_000))))
        }
        hold = try fields.integer(Field.hold).map { .seconds(Int64(clamping: min(max($0, 1), 86_400))) }
        // A check of a kind that is not known here is kept as it is.
        if healthCheck == nil { for value in fields.all(Field.health) { unknown.add(Field.health, value) } }
    }

    /// Finds out what a gateway must know, and returns the fields of it; none where this one does not know all: then it cannot
    /// tell what the ends mean, and keeps them as they are.
    private mutating func readNeeds(_ fields: RecordFields) throws(DecodeError) -> RecordFields {
        for value in fields.all(Field.need) {
            let need = try RecordFields.integer(value)
            if !Need.known.contains(need) { unknownNeeds.insert(need) }
        }
        guard unknownNeeds.isEmpty else {
            unknown = fields.without(Field.all.subtracting(Field.demands))
            return RecordFields()
        }
        unknown = fields.without(Field.all)
        return fields
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        fields.add(Field.name, name)
        if !isEnabled { fields.add(Field.disabled, 1) }
        // What is not known is written as it was read, with what belongs to it.
        let needs = unknownNeeds.isEmpty ? self.needs : []
        for origin in origins {
            var end = Self.end(origin.selector, origin.listen)
            if let mode = origin.socketMode { end.add(EndField.socketMode, UInt64(mode)) }
            fields.add(needs.isEmpty ? Field.origin : Field.demandingOrigin, end.encoded)
        }
        for destination in destinations {
            var end = Self.end(destination.selector, destination.target)
            if destination.weight != 1 { end.add(EndField.weight, destination.weight) }
            if destination.order != 0 { end.add(EndField.order, destination.order) }
            fields.add(needs.isEmpty ? Field.destination : Field.demandingDestination, end.encoded)
        }
        for range in allowed { fields.add(Field.allowed, range.description) }
        if schedulingClass == .interactive { fields.add(Field.interactive, 1) }
        if share != GatewayConfiguration.Tunnel.defaultShare { fields.add(Field.share, UInt64(share)) }
        if maximumConnections != GatewayConfiguration.Tunnel.defaultMaximumConnections {
            fields.add(Field.connections, UInt64(maximumConnections))
        }
        if let maximumRate { fields.add(Field.rate, maximumRate) }
        if let until { fields.add(Field.until, until) }
        if let trialSeconds { fields.add(Field.trial, trialSeconds) }
        if let idleSeconds { fields.add(Field.idle, UInt64(idleSeconds)) }
        if proxyProtocol { fields.add(Field.proxyProtocol, 2) }
        if compression != nil { fields.add(Field.compression, 1) }
        if networkProtocol == .udp { fields.add(Field.networkProtocol, 1) }
        for need in needs.sorted() { fields.add(Field.need, need) }
        if let healthCheck { fields.add(Field.health, Self.fields(healthCheck).encoded) }
        if isSticky { fields.add(Field.sticky, 1) }
        switch failback {
        case nil: break
        case .manual: fields.add(Field.failback, 0)
        case .after(let time): fields.add(Field.failback, Self.milliseconds(time) + 1)
        }
        if let hold { fields.add(Field.hold, UInt64(clamping: hold.components.seconds)) }
        fields.add(healthCheck == nil ? unknown : unknown.without([Field.health]))
        return fields.encoded
    }

    private static func milliseconds(_ duration: Duration) -> UInt64 {
        UInt64(clamping: Interval(duration).milliseconds)
    }

    private static func fields(_ check: GatewayConfiguration.HealthCheck) -> RecordFields {
        var fields = RecordFields()
        fields.add(HealthField.kind, "\(check.kind)")
        fields.add(HealthField.interval, milliseconds(check.interval))
        fields.add(HealthField.timeout, milliseconds(check.timeout))
        fields.add(HealthField.rise, UInt64(clamping: check.rise))
        fields.add(HealthField.fall, UInt64(clamping: check.fall))
        return fields
    }

    /// A kind of a newer version is no check, which leaves it to the connections.
    private static func healthCheck(_ all: RecordFields) throws(DecodeError) -> GatewayConfiguration.HealthCheck? {
        guard let value = try all.only(Field.health) else { return nil }
        let fields = try RecordFields(value)
        guard let kind = try fields.text(HealthField.kind).flatMap(GatewayConfiguration.HealthCheck.Kind.init) else {
            return nil
        }
        var check = GatewayConfiguration.HealthCheck(kind)
        if let time = try fields.integer(HealthField.interval) { check.interval = .milliseconds(Int64(clamping: time)) }
        if let time = try fields.integer(HealthField.timeout) { check.timeout = .milliseconds(Int64(clamping: time)) }
        if let count = try fields.integer(HealthField.rise) { check.rise = Int(clamping: count) }
        if let count = try fields.integer(HealthField.fall) { check.fall = Int(clamping: count) }
        guard check.fault == nil else { throw .invalidValue }
        return check
    }

    private static func end(_ selector: Selector, _ address: TunnelAddress?) -> RecordFields {
        var end = RecordFields()
        switch selector {
        case .member(let id): end.add(EndField.member, id.bytes)
        case .label(let label): end.add(EndField.label, label.description)
        }
        if let address { end.add(EndField.address, address.description) }
        return end
    }

    private static func selector(_ end: RecordFields) throws(DecodeError) -> Selector {
        switch (try end.only(EndField.member), try end.text(EndField.label)) {
        case (let bytes?, nil):
            guard let id = MemberRecord.ID(bytes) else { throw .invalidValue }
            return .member(id)
        case (nil, let text?): return .label(try Label(text))
        case (nil, nil), (_?, _?): throw .invalidValue
        }
    }

    private static func address(_ end: RecordFields) throws(DecodeError) -> TunnelAddress? {
        guard let text = try end.text(EndField.address) else { return nil }
        guard let address = try? TunnelAddress(text) else { throw .invalidValue }
        return address
    }

    private static func number(
        _ fields: RecordFields, _ field: UInt64, in range: ClosedRange<Int>
    ) throws(DecodeError) -> Int? {
        guard let value = try fields.integer(field) else { return nil }
        guard let number = Int(exactly: value), range.contains(number) else { throw .invalidValue }
        return number
    }
}
