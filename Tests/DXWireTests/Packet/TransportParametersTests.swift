import DXWire
import Testing

@Suite struct TransportParametersTests {
    private func read(_ bytes: [UInt8]) throws(DecodeError) -> TransportParameters {
        var reader = ByteReader(bytes.rawBytes)
        return try TransportParameters(reading: &reader)
    }

    private func written(_ parameters: TransportParameters) -> [UInt8] {
        encoded(capacity: TransportParameters.maximumByteCount) { parameters.write(to: &$0) }
    }

    @Test(arguments: ParametersVector.canonical.indices)
    func vectorsHoldBothWays(index: Int) throws {
        let vector = ParametersVector.canonical[index]
        #expect(hexText(written(vector.parameters)) == hexText(vector.bytes))
        #expect(try read(vector.bytes) == vector.parameters)
    }

    @Test(arguments: ParametersVector.alternative.indices)
    func otherFormsAreRead(index: Int) throws {
        let vector = ParametersVector.alternative[index]
        #expect(try read(vector.bytes) == vector.parameters)
    }

    @Test func defaultsAreThoseOfTheWireFormat() throws {
        let parameters = try read([])
        #expect(parameters.initialChannelWindow == 0)
        #expect(parameters.initialStreamWindow == 0)
        #expect(parameters.initialStreamCount == 0)
        #expect(parameters.idleTimeout == nil)
        #expect(parameters.largestDatagram == 1200)
        #expect(parameters.maximumAckDelay == .microseconds(25_000))
        #expect(parameters.largestMessage == 0)
    }

    @Test(arguments: [
        // The id, the length or the value ends early.
        ("41", DecodeError.truncated), ("01", .truncated), ("01 01", .truncated), ("01 02 41", .truncated),
        ("08 03 aabb", .truncated), ("08 ffffffffffffffff", .truncated),
        // The value does not fill its length, or needs more than that.
        ("01 02 0000", .invalidValue), ("01 00 00", .invalidValue), ("01 01 40 02 01 00", .invalidValue),
        ("07 00", .truncated),
        // A datagram smaller than every path carries; an acknowledgement delay of 2^14 ms.
        ("05 02 44af", .invalidValue), ("05 01 00", .invalidValue), ("06 04 80fa0000", .invalidValue),
        ("06 08 ffffffffffffffff", .invalidValue),
    ])
    func wrongOnesAreRefused(text: String, error: DecodeError) {
        #expect(throws: error) { try read(hex(text)) }
    }

    @Test func anEndlessIdleTimeoutStaysWhatItIs() throws {
        let parameters = try read(hex("04 08 ffffffffffffffff"))
        #expect(parameters.idleTimeout == .milliseconds(9_223_372_036_854))
        #expect(try read(written(parameters)) == parameters)
    }

    /// Whatever a caller sets, the peer can read it.
    @Test func whatCannotBeWrittenIsBroughtIntoRange() throws {
        var parameters = TransportParameters()
        parameters.initialChannelWindow = .max
        parameters.idleTimeout = .nanoseconds(1)
        parameters.largestDatagram = 100
        parameters.maximumAckDelay = .seconds(3_600)
        var copy = try read(written(parameters))
        #expect(copy.initialChannelWindow == VarInt.maximum)
        #expect(copy.idleTimeout == .milliseconds(1))
        #expect(copy.largestDatagram == 1200)
        #expect(copy.maximumAckDelay == .microseconds(16_383_999))
        parameters.maximumAckDelay = .seconds(-1)
        parameters.idleTimeout = .seconds(-1)
        copy = try read(written(parameters))
        #expect(copy.maximumAckDelay == .zero)
        #expect(copy.idleTimeout == .milliseconds(1))
    }
}
