import DXWire

/// Messages of tunnelled UDP flows, and parts in a row as `WireProperty.flows` takes them.
enum FlowVector {
    /// A head and its bytes; behind them `dataByteCount` bytes of data.
    static let heads: [(header: FlowHeader, bytes: [UInt8], dataByteCount: Int)] = [
        (FlowHeader(internalPort: 0xdead_beef, flow: 7), hex("deadbeef 07 00"), 0),
        (FlowHeader(internalPort: 1, flow: 16_384), hex("00000001 80004000 00"), 65_507),
        (
            FlowHeader(internalPort: 0x0102_0304, flow: VarInt.maximum, part: part(id: 5, of: 65_507, in: 512, 127)),
            hex("01020304 ffffffffffffffff 01 00000005 ffe3 0200 7f"), 483
        ),
        (
            FlowHeader(internalPort: 2, flow: 64, part: part(id: .max, of: 513, in: 512, 0)),
            hex("00000002 4040 01 ffffffff 0201 0200 00"), 512
        ),
    ]

    /// Datagrams in one piece and in parts, in order and not, and such of which a part is missing.
    static let recipes: [[UInt8]] = [
        [8] + hex("00000001 07 00"),
        recipe(id: 1, of: 1_200, in: 600, order: [0, 1]),
        recipe(id: 2, of: 4_096, in: 1_024, order: [3, 1, 0, 2]),
        recipe(id: 3, of: 1_025, in: 512, order: [1, 2, 0]),
        recipe(id: 4, of: 4_096, in: 1_024, order: [3, 3, 0, 2]),
    ]

    private static func part(id: UInt32, of size: Int, in slice: Int, _ index: Int) -> FlowHeader.Part {
        FlowHeader.Part(id: id, datagramByteCount: size, sliceByteCount: slice, index: index)
    }

    /// Each message is a byte, the length of its head, and the head; its data is made up.
    private static func recipe(id: UInt32, of size: Int, in slice: Int, order: [Int]) -> [UInt8] {
        order.flatMap { index in
            let header = FlowHeader(internalPort: 9, flow: 3, part: part(id: id, of: size, in: slice, index))
            let head = encoded(capacity: FlowHeader.maximumByteCount) { header.write(to: &$0) }
            return [UInt8(head.count)] + head
        }
    }
}
