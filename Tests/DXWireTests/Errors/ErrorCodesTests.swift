import DXWire
import Testing

/// The tables of `docs/wire-format.md` §8.
@Suite struct ErrorCodesTests {
    @Test(arguments: [
        (CloseCode.none, UInt64(0), "none"), (.internal, 1, "internal"), (.frameFormat, 2, "frame_format"),
        (.flowControl, 3, "flow_control"), (.streamLimit, 4, "stream_limit"), (.streamState, 5, "stream_state"),
        (.finalSize, 6, "final_size"), (.protocolViolation, 7, "protocol"), (.version, 8, "version"),
        (.shutdown, 9, "shutdown"), (.replaced, 10, "replaced"), (.removed, 11, "removed"),
        (CloseCode(rawValue: 12), 12, "code_12"),
    ])
    func closeCodes(code: CloseCode, number: UInt64, name: String) {
        #expect(code.rawValue == number)
        #expect(code.description == name)
    }

    @Test(arguments: [
        (StreamCode.aborted, UInt64(0), "aborted"), (.refused, 1, "refused"), (.unreachable, 2, "unreachable"),
        (.limit, 3, "limit"), (.shutdown, 4, "shutdown"), (StreamCode(rawValue: 5), 5, "code_5"),
    ])
    func streamCodes(code: StreamCode, number: UInt64, name: String) {
        #expect(code.rawValue == number)
        #expect(code.description == name)
    }
}
