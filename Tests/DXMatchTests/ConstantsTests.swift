import DXWire
import Testing

@testable import DXMatch

@Suite struct ConstantsTests {
    @Test func aMessageFitsEveryPath() {
        #expect(MatchConstants.maximumMessage + 12 + 16 == Constants.minimumDatagram)
    }
}
