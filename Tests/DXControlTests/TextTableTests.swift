import Testing

@testable import DXControl

@Suite struct TextTableTests {
    private static let columns = [
        TextTable.Column(title: "NAME", shrinks: true), TextTable.Column(title: "BYTES", rank: 1, isNumber: true),
        TextTable.Column(title: "ADDRESS", rank: 2),
    ]
    private static let rows = [["a-peer-with-a-long-name", "7", "203.0.113.5:7700"], ["b", "1200", "-"]]

    @Test func isNeverCutInAPipe() {
        #expect(
            TextTable.fitted(Self.columns, Self.rows, width: nil) == [
                "NAME                     BYTES  ADDRESS",
                "a-peer-with-a-long-name      7  203.0.113.5:7700",
                "b                         1200  -",
            ])
    }

    @Test func leavesColumnsOutBeforeItCutsNames() {
        #expect(
            TextTable.fitted(Self.columns, Self.rows, width: 40) == [
                "NAME                     BYTES", "a-peer-with-a-long-name      7", "b                         1200",
            ])
        #expect(
            TextTable.fitted(Self.columns, Self.rows, width: 24)
                == ["NAME", "a-peer-with-a-long-name", "b"])
        #expect(TextTable.fitted(Self.columns, Self.rows, width: 12) == ["NAME", "a-peer-wi...", "b"])
    }

    @Test(arguments: 1...60) func isNeverWider(_ width: Int) {
        let lines = TextTable.fitted(Self.columns, Self.rows, width: width)
        #expect(lines.count == 3 && lines.allSatisfy { $0.count <= width })
    }

    @Test func wrapsAtWords() {
        #expect(TextFit.wrapped("one two three", nil, lines: 1) == ["one two three"])
        #expect(TextFit.wrapped("one two three", 8, lines: 3) == ["one two", "three"])
        #expect(TextFit.wrapped("one two three", 8, lines: 1) == ["one t..."])
        #expect(TextFit.wrapped("abcdefghij klm", 6, lines: 3) == ["abcdef", "ghij", "klm"])
        for width in 1...20 {
            #expect(TextFit.wrapped("peer x is down: no answer", width, lines: 3).allSatisfy { $0.count <= width })
        }
    }

    @Test func honoursNoColor() {
        #expect(Terminal.hasColors(["TERM": "xterm"]) && Terminal.hasColors(["TERM": "xterm", "NO_COLOR": ""]))
        #expect(!Terminal.hasColors(["TERM": "xterm", "NO_COLOR": "1"]))
        #expect(!Terminal.hasColors(["TERM": "dumb"]) && !Terminal.hasColors([:]))
    }
}
