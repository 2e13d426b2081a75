import Testing

@testable import DXTunnel

@Suite struct LogTextTests {
    @Test(arguments: [
        ("web", "web"), ("größe 大", "größe 大"), ("", ""), ("a\nb", "a\\u{a}b"), ("a\r\nb", "a\\u{d}\\u{a}b"),
        ("\u{1b}[2J", "\\u{1b}[2J"), ("\u{2028}", "\\u{2028}"), ("\u{202e}abc", "\\u{202e}abc"),
        ("\u{85}", "\\u{85}"), ("\u{feff}", "\\u{feff}"),
    ])
    func staysOnItsLine(text: String, expected: String) { #expect(text.onOneLine == expected) }
}
