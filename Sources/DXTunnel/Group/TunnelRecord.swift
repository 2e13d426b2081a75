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
        /// The TCP address; nil when connections come from the program alone.
        var listen: HostAddress?
    }

    /// Members where connections come out.
    struct Destination: Hashable, Sendable {
        var selector: Selector
        /// The TCP address, or a name that only the destination knows; nil when the program is the target.
        var target: HostAddress?
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
    /// Until when the destination serves it, in seconds since 1970; nil is for ever.
    var until: UInt64?
    /// For how many seconds it is in force unless it is said again without this; then what was there before is again.
    var trialSeconds: UInt64?
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
        static let all = Set<UInt64>(1...11)
    }

    private enum EndField {
        static let member: UInt64 = 1
        static let label: UInt64 = 2
        static let address: UInt64 = 3
        static let weight: UInt64 = 4
        static let order: UInt64 = 5
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
        for value in fields.all(Field.origin) {
            let end = try RecordFields(value)
            origins.append(Origin(selector: try Self.selector(end), listen: try Self.address(end)))
        }
        for value in fields.all(Field.destination) {
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
        unknown = fields.without(Field.all)
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        fields.add(Field.name, name)
        if !isEnabled { fields.add(Field.disabled, 1) }
        for origin in origins {
            fields.add(Field.origin, Self.end(origin.selector, origin.listen).encoded)
        }
        for destination in destinations {
            var end = Self.end(destination.selector, destination.target)
            if destination.weight != 1 { end.add(EndField.weight, destination.weight) }
            if destination.order != 0 { end.add(EndField.order, destination.order) }
            fields.add(Field.destination, end.encoded)
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
        fields.add(unknown)
        return fields.encoded
    }

    private static func end(_ selector: Selector, _ address: HostAddress?) -> RecordFields {
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

    private static func address(_ end: RecordFields) throws(DecodeError) -> HostAddress? {
        guard let text = try end.text(EndField.address) else { return nil }
        guard let address = try? HostAddress(text) else { throw .invalidValue }
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
