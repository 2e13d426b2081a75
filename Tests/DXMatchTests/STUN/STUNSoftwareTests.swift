import DXWire
import Testing

@testable import DXMatch

/// What a matchmaker says of itself.
@Suite struct STUNSoftwareTests {
    private let pin = CheckListTests.id(7)

    private func pin(in text: String) -> GatewayID? {
        let bytes = Array(text.utf8)
        return STUNSoftware.pin(in: bytes.raw)
    }

    @Test func aPinComesBack() {
        let text = STUNSoftware.text(pin: pin)
        #expect(text.utf8.count == STUNSoftware.byteCount && text.utf8.count <= STUNServer.maximumSoftware)
        #expect(pin(in: text) == pin)
    }

    @Test func otherProgramsSayNone() {
        let text = STUNSoftware.text(pin: pin)
        for other in ["", "dxmatchd", "Coturn-4.6.1 'Gorst'", String(text.dropLast()), text + "a", text.uppercased()] {
            #expect(pin(in: other) == nil)
        }
        // As long as one, and no text at all.
        #expect(STUNSoftware.pin(in: [UInt8](repeating: 0xff, count: STUNSoftware.byteCount).raw) == nil)
    }
}
