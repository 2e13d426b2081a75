import DXWire

/// Heads of fragments, and fragments in a row as `WireProperty.fragments` takes them.
enum FragmentVector {
    /// A head and its bytes.
    static let heads: [(header: FragmentHeader, bytes: [UInt8])] = [
        (header(number: 1, index: 0, isLast: false, body: 3_000), hex("0102030405060708 80 0000000001 0bb8")),
        (
            header(number: 0xff_0000_0002, index: 63, isLast: true, body: 16_408),
            hex("0102030405060708 ff ff00000002 4018")
        ),
        (header(number: 3, index: 0, isLast: true, body: 1), hex("0102030405060708 c0 0000000003 0001")),
    ]

    /// Whole records, in order and not, and what is missing a part.
    static let recipes: [[UInt8]] = [
        recipe(number: 1, body: 2_000, slice: 800, order: [0, 1, 2]),
        recipe(number: 2, body: 1_600, slice: 800, order: [1, 0]),
        recipe(number: 3, body: 16_408, slice: 2_040, order: [8, 3, 1, 0, 2, 7, 5, 6, 4]),
        recipe(number: 4, body: 8, slice: 800, order: [0]),
        recipe(number: 5, body: 2_000, slice: 800, order: [2, 0]),
    ]

    private static func header(number: UInt64, index: Int, isLast: Bool, body: Int) -> FragmentHeader {
        FragmentHeader(
            connectionID: ConnectionID(rawValue: 0x0102_0304_0506_0708), recordNumber: number, index: index,
            isLast: isLast, bodyByteCount: body)
    }

    private static func recipe(number: UInt64, body: Int, slice: Int, order: [Int]) -> [UInt8] {
        let count = (body + slice - 1) / slice
        return order.flatMap { index in
            let isLast = index == count - 1
            let header = header(number: number, index: index, isLast: isLast, body: body)
            let size = isLast ? body - index * slice : slice
            return encoded(capacity: FragmentHeader.byteCount) { header.write(to: &$0) } + [UInt8(size / 8)]
        }
    }
}
