import DXWire

/// The head of a packet and its bytes, by hand from `docs/wire-format.md` §5.
struct PacketHeaderVector {
    let bytes: [UInt8]
    let pathID: PathID
    let number: UInt64
    let largestAcknowledged: UInt64?

    init(_ text: String, path: UInt64, number: UInt64, acknowledged: UInt64?) {
        bytes = hex(text)
        pathID = PathID(rawValue: path)
        self.number = number
        largestAcknowledged = acknowledged
    }

    static let all: [PacketHeaderVector] = [
        // The first packet of a path.
        PacketHeaderVector("40 00 00", path: 0, number: 0, acknowledged: nil),
        // 127 numbers in doubt fit one byte, 128 do not.
        PacketHeaderVector("40 01 7e", path: 1, number: 126, acknowledged: nil),
        PacketHeaderVector("41 01 007f", path: 1, number: 127, acknowledged: nil),
        // RFC 9000 appendix A.2: 29,519 in doubt take 2 bytes, 65,611 take 3.
        PacketHeaderVector("41 02 5c02", path: 2, number: 0xac5c02, acknowledged: 0xabe8b3),
        PacketHeaderVector("42 02 ace8fe", path: 2, number: 0xace8fe, acknowledged: 0xabe8b3),
        // 2^23 in doubt take 4.
        PacketHeaderVector("43 4040 00800000", path: 64, number: 0x80_0000, acknowledged: 0),
        // The last number on the last path.
        PacketHeaderVector(
            "40 c000000080000001 ff", path: 1 << 31 | 1, number: VarInt.maximum, acknowledged: VarInt.maximum - 1),
    ]
}

/// A BIND and its bytes, by hand from `docs/wire-format.md` §4.
struct BindVector {
    let bytes: [UInt8]
    let bind: Bind

    static let all: [BindVector] = [
        BindVector(
            bytes: hex(
                """
                01 01 01 00 0000000000000000 0102030405060708 1112131415161718 02
                01 04 80100000  02 04 80040000  03 02 4100  04 04 80007530
                05 02 45dc  06 04 800186a0  07 02 44b0
                """),
            bind: Bind(
                isSeen: false, bootID: 0x0102_0304_0506_0708, channelHalf: 0x1112_1314_1516_1718,
                pathID: PathID(count: 1, role: .lower), parameters: ParametersVector.typical)),
        BindVector(
            bytes: hex(
                """
                01 03 02 01 8000000000000001 ffffffffffffffff 0000000000000000 c000000080000001
                01 01 00  02 01 00  03 01 00  04 01 00  05 02 44b0  06 04 800061a8  07 01 00
                """),
            bind: Bind(
                version: 3, minimumVersion: 2, isSeen: true, capabilities: 1 << 63 | 1, bootID: .max, channelHalf: 0,
                pathID: .maximum, parameters: TransportParameters())),
    ]
}

/// Transport parameters and their bytes, by hand from `docs/wire-format.md` §4.
struct ParametersVector {
    let bytes: [UInt8]
    let parameters: TransportParameters

    /// Every parameter away from its default.
    static let typical: TransportParameters = {
        var parameters = TransportParameters()
        parameters.initialChannelWindow = 1 << 20
        parameters.initialStreamWindow = 1 << 18
        parameters.initialStreamCount = 256
        parameters.idleTimeout = .seconds(30)
        parameters.largestDatagram = 1500
        parameters.maximumAckDelay = .milliseconds(100)
        parameters.largestMessage = 1200
        return parameters
    }()

    /// In the form that our writer gives: these hold both ways.
    static let canonical: [ParametersVector] = [
        ParametersVector(
            bytes: hex(
                """
                01 04 80100000  02 04 80040000  03 02 4100  04 04 80007530
                05 02 45dc  06 04 800186a0  07 02 44b0
                """),
            parameters: typical),
        ParametersVector(
            bytes: hex("01 01 00  02 01 00  03 01 00  04 01 00  05 02 44b0  06 04 800061a8  07 01 00"),
            parameters: TransportParameters()),
        ParametersVector(
            bytes: hex(
                """
                01 08 ffffffffffffffff  02 08 ffffffffffffffff  03 08 ffffffffffffffff  04 01 01
                05 08 ffffffffffffffff  06 04 80f9ffff  07 08 ffffffffffffffff  08 08 ffffffffffffffff
                """),
            parameters: {
                var parameters = TransportParameters()
                parameters.initialChannelWindow = VarInt.maximum
                parameters.initialStreamWindow = VarInt.maximum
                parameters.initialStreamCount = VarInt.maximum
                parameters.idleTimeout = .milliseconds(1)
                parameters.largestDatagram = VarInt.maximum
                parameters.maximumAckDelay = .microseconds(16_383_999)
                parameters.largestMessage = VarInt.maximum
                parameters.largestPacket = VarInt.maximum
                return parameters
            }()),
    ]

    /// Other forms, which a decoder must take too.
    static let alternative: [ParametersVector] = [
        ParametersVector(bytes: [], parameters: TransportParameters()),
        // An unknown id, of one byte and of two, is skipped.
        ParametersVector(bytes: hex("3f 03 aabbcc  4100 00"), parameters: TransportParameters()),
        // Of a repeated one the last counts; a varint may be longer than needed.
        ParametersVector(
            bytes: hex("03 01 05  03 08 c000000000000007"),
            parameters: {
                var parameters = TransportParameters()
                parameters.initialStreamCount = 7
                return parameters
            }()),
    ]
}
