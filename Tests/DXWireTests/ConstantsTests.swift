import DXWire
import Testing

/// The numbers that peers of other versions rely on: a change of one is a change of the wire format.
@Suite struct ConstantsTests {
    @Test func areThoseOfTheWireFormat() {
        #expect(Constants.minimumDatagram == 1200)
        #expect(Constants.maximumDatagram == 65_000)
        #expect(Constants.controlWindow == 65_536)
        #expect(Constants.maximumControlMessage == 16_384)
    }
}
