import DXWire

/// What the two ends of a tunnel say about its streams when it is activated (`docs/wire-format.md` §7.1): the origin what it can and
/// has, the destination what is done. A program that knows nothing of it says nothing, which is `ActivationTerms()`.
struct ActivationTerms: Hashable, Sendable {
    /// Properties of a tunnel's streams.
    struct Features: OptionSet, Hashable, Sendable {
        var rawValue: UInt64
        /// Each begins with a `StreamHead`.
        static let head = Features(rawValue: 1)
        /// What follows is compressed, both ways.
        static let deflate = Features(rawValue: 2)
    }

    /// Of an origin those that it can have and wants, of a destination those that the streams have.
    var features: Features = []
    /// At how many ports the origin listens.
    var portCount: UInt64 = 1

    private enum Field {
        static let features: UInt64 = 1
        static let portCount: UInt64 = 2
    }

    /// The longest form: two fields of an identifier, a length and at most eight bytes each.
    static let maximumByteCount = 20

    /// Nothing is said.
    init(features: Features = [], portCount: UInt64 = 1) {
        self.features = features
        self.portCount = portCount
    }

    /// Reads fields, each an identifier, a length and a value, to the end. Unknown ones are skipped; what is not such a field is of a
    /// newer version, as all behind it.
    init(reading reader: inout ByteReader) {
        while let field = Self.field(&reader) {
            switch field.id {
            case Field.features: if let value = field.value { features = Features(rawValue: value) }
            case Field.portCount: if let value = field.value { portCount = value }
            default: break
            }
        }
    }

    /// The next field, and its value where that is one integer.
    private static func field(_ reader: inout ByteReader) -> (id: UInt64, value: UInt64?)? {
        guard let id = try? reader.readVarInt(), let length = try? reader.readLength(),
            let bytes = try? reader.readBytes(length)
        else { return nil }
        var inner = ByteReader(bytes)
        let value = try? inner.readVarInt()
        return (id, inner.remaining == 0 ? value : nil)
    }

    /// Writes what is not left out.
    @_lifetime(output: copy output)
    func write(to output: inout OutputRawSpan) {
        func add(_ id: UInt64, _ value: UInt64, to output: inout OutputRawSpan) {
            output.writeVarInt(id)
            output.writeVarInt(UInt64(VarInt.byteCount(value)))
            output.writeVarInt(value)
        }
        if !features.isEmpty { add(Field.features, features.rawValue, to: &output) }
        if portCount != 1 { add(Field.portCount, portCount, to: &output) }
    }
}
