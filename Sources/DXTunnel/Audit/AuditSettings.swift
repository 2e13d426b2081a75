/// What a gateway keeps of the connections that went through it.
public struct AuditSettings: Sendable, Hashable {
    /// The bytes of all records together, 64 KiB to 1 GiB; nil: nothing is kept.
    public var byteCount: Int?

    /// 8 MiB holds some 40,000 records, and is little on the smallest card.
    public static let usualByteCount = 8 << 20
    /// Sizes that a file may name.
    public static let byteCounts: ClosedRange<Int> = (64 << 10)...(1 << 30)

    /// Records of so many bytes; none for nil.
    public init(byteCount: Int? = AuditSettings.usualByteCount) { self.byteCount = byteCount }
}
