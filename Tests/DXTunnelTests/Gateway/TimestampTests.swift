import DXTunnel
import Testing

@Suite struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_210_096_007, "2024-02-29T12:34:56.007Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func writesAndReads(milliseconds: Int64, text: String) {
        #expect(Timestamp(unixMilliseconds: milliseconds).description == text)
        #expect(Timestamp(text)?.unixMilliseconds == milliseconds)
    }

    /// Every day of 800 years, counted by the calendar's own rule.
    @Test func agreesWithTheCalendar() {
        // 0000-03-01 is day -719,468; January and February of that leap year have 60 days.
        var days: Int64 = -719_468 - 60
        for year in 0..<800 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            for (month, length) in [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].enumerated() {
                let first = Timestamp(unixMilliseconds: days * 86_400_000).description
                let yearText = String(repeating: "0", count: 4 - String(year).count) + String(year)
                let monthText = (month < 9 ? "0" : "") + String(month + 1)
                guard first == "\(yearText)-\(monthText)-01T00:00:00.000Z" else {
                    Issue.record("\(first) for \(yearText)-\(monthText)")
                    return
                }
                days += Int64(length)
            }
        }
    }

    @Test func writesTheEndsOfItsRange() {
        #expect(Timestamp(unixMilliseconds: .max).description == "292278994-08-17T07:12:55.807Z")
        #expect(Timestamp(unixMilliseconds: .min).description == "-292275055-05-16T16:47:04.192Z")
    }

    @Test func readsWholeSeconds() { #expect(Timestamp("1970-01-01T00:00:01Z")?.unixMilliseconds == 1_000) }

    @Test func refusesOtherText() {
        for text in [
            "", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z", "1970-13-01T00:00:00Z",
            "1970-00-01T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:00+00:00",
            "1970-01-01T00:00:00.0000", "197\u{661}-01-01T00:00:00Z", "-970-01-01T00:00:00Z", "1970-01-32T00:00:00Z",
        ] {
            #expect(Timestamp(text) == nil, "\(text)")
        }
    }
}
