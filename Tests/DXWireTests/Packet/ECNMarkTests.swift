import DXWire
import Testing

@Suite struct ECNMarkTests {
    /// RFC 3168 §5, figure 1; the six bits of DSCP above them change nothing.
    @Test(arguments: [(UInt8(0b00), ECNMark.notECT), (0b01, .ect1), (0b10, .ect0), (0b11, .ce)])
    func theLowTwoBitsCount(bits: UInt8, mark: ECNMark) {
        for other in UInt8(0)..<64 { #expect(ECNMark(trafficClass: other << 2 | bits) == mark) }
        #expect(mark.rawValue == bits)
        #expect(MemoryLayout<ECNMark>.size == 1)
    }
}
