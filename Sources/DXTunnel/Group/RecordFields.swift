import DXWire

/// The body of a record: numbered fields, each with a length, in any order (`docs/group.md` §3).
///
/// Fields of a newer version are kept, so that whoever changes a record of which it understands only a part says the rest
/// again.
struct RecordFields: Hashable, Sendable {
    /// One field.
    struct Field: Hashable, Sendable {
        var number: UInt64
        var value: [UInt8]
    }

    private(set) var fields: [Field] = []

    /// No field.
    init() {}

    /// Reads fields to the end of `bytes`.
    init(_ bytes: [UInt8]) throws(DecodeError) {
        var reader = unsafe ByteReader(bytes.span.bytes)
        while reader.remaining > 0 {
            let number = try reader.readVarInt()
            fields.append(Field(number: number, value: try reader.readArray(atMost: .max)))
        }
    }

    /// The fields one behind the other.
    var encoded: [UInt8] {
        TunnelMessageWriter.bytes(capacity: fields.reduce(0) { $0 + 16 + $1.value.count }) { output in
            for field in fields {
                output.writeVarInt(field.number)
                output.writeVarInt(UInt64(field.value.count))
                unsafe output.write(field.value.span.bytes)
            }
        }
    }

    /// All but those with these numbers.
    func without(_ numbers: Set<UInt64>) -> RecordFields {
        var rest = RecordFields()
        rest.fields = fields.filter { !numbers.contains($0.number) }
        return rest
    }

    // MARK: Reading

    /// The values of all fields with that number.
    func all(_ number: UInt64) -> [[UInt8]] { fields.filter { $0.number == number }.map(\.value) }

    /// The value of the only field with that number; nil when there is none, `invalidValue` when there are two.
    func only(_ number: UInt64) throws(DecodeError) -> [UInt8]? {
        let values = all(number)
        guard values.count <= 1 else { throw .invalidValue }
        return values.first
    }

    /// A field that is one integer.
    func integer(_ number: UInt64) throws(DecodeError) -> UInt64? {
        guard let value = try only(number) else { return nil }
        return try Self.integer(value)
    }

    /// Bytes as one integer.
    static func integer(_ bytes: [UInt8]) throws(DecodeError) -> UInt64 {
        var reader = unsafe ByteReader(bytes.span.bytes)
        let integer = try reader.readVarInt()
        guard reader.remaining == 0 else { throw .invalidValue }
        return integer
    }

    /// A field that is text, in UTF-8.
    func text(_ number: UInt64) throws(DecodeError) -> String? {
        guard let value = try only(number) else { return nil }
        return try Self.text(value)
    }

    /// Bytes as text; anything but UTF-8 is `invalidValue`.
    static func text(_ bytes: [UInt8]) throws(DecodeError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidValue }
        return text
    }

    /// In any body that an admin signs: when it was said, in seconds since 1970 by its author's calendar (`docs/group.md` §3).
    static let time: UInt64 = 0

    /// When a body was said; nil when it does not say, or says nonsense.
    static func time(of body: [UInt8]) -> UInt64? { (try? RecordFields(body)).flatMap { try? $0.integer(time) } }

    // MARK: Writing

    /// A body that says when it is said, whatever it said of that before.
    static func dated(_ body: [UInt8], at calendar: Int64) -> [UInt8] {
        guard let fields = try? RecordFields(body) else { return body }
        var dated = RecordFields()
        dated.add(time, UInt64(clamping: calendar))
        dated.add(fields.without([time]))
        return dated.encoded
    }

    /// Adds a field.
    mutating func add(_ number: UInt64, _ value: [UInt8]) { fields.append(Field(number: number, value: value)) }

    /// Adds text.
    mutating func add(_ number: UInt64, _ text: String) { add(number, Array(text.utf8)) }

    /// Adds an integer, at most 2^62-1.
    mutating func add(_ number: UInt64, _ integer: UInt64) {
        add(number, TunnelMessageWriter.bytes(capacity: 8) { $0.writeVarInt(integer) })
    }

    /// Adds the fields of another body.
    mutating func add(_ other: RecordFields) { fields += other.fields }
}
