import DXWire

/// Where a member says that it can be reached (`docs/group.md` §3.3): never configuration, so the member signs it itself.
struct AddressRecord: Hashable, Sendable {
    /// In its order of preference.
    var addresses: [HostAddress]
    /// What a newer version says.
    private var unknown = RecordFields()

    /// At most so many addresses, and so many bytes of body: every member holds one such record of every other.
    static let mostAddresses = 16
    static let longestBody = 1_024

    private enum Field {
        static let address: UInt64 = 1
    }

    /// A record of these addresses.
    init(addresses: [HostAddress]) { self.addresses = addresses }

    /// Reads a record's body.
    init(_ body: [UInt8]) throws(DecodeError) {
        guard body.count <= Self.longestBody else { throw .invalidValue }
        let fields = try RecordFields(body)
        addresses = []
        for value in fields.all(Field.address) {
            guard let address = try? HostAddress(RecordFields.text(value)) else { throw .invalidValue }
            addresses.append(address)
        }
        guard addresses.count <= Self.mostAddresses else { throw .invalidValue }
        unknown = fields.without([Field.address])
    }

    /// The body of a record that says this.
    var body: [UInt8] {
        var fields = RecordFields()
        for address in addresses { fields.add(Field.address, address.description) }
        fields.add(unknown)
        return fields.encoded
    }
}
