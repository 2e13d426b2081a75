import DXWire
import Testing

@Suite struct IntervalTests {
    @Test func unitsAgree() {
        #expect(Interval.seconds(2) == .milliseconds(2_000))
        #expect(Interval.milliseconds(3) == .microseconds(3_000))
        #expect(Interval.microseconds(-4) == .nanoseconds(-4_000))
        #expect(Interval(nanoseconds: 1_999).microseconds == 1)
        #expect(Interval(nanoseconds: -1_999).microseconds == -1)
        #expect(Interval(nanoseconds: 1_999_999).milliseconds == 1)
        #expect(Interval.milliseconds(1_500).secondsAsDouble == 1.5)
    }

    @Test func makingSaturates() {
        #expect(Interval.microseconds(.max) == .max)
        #expect(Interval.milliseconds(.max) == .max)
        #expect(Interval.seconds(.max) == .max)
        #expect(Interval.microseconds(.min).nanoseconds == .min)
        #expect(Interval.milliseconds(.min).nanoseconds == .min)
        #expect(Interval.seconds(.min).nanoseconds == .min)
        // The last that fits and the first that does not.
        #expect(Interval.seconds(9_223_372_036).nanoseconds == 9_223_372_036_000_000_000)
        #expect(Interval.seconds(9_223_372_037) == .max)
    }

    @Test func arithmeticSaturates() {
        let least = Interval(nanoseconds: .min)
        let one = Interval(nanoseconds: 1)
        #expect(Interval.max + one == .max)
        #expect(least + Interval(nanoseconds: -1) == least)
        #expect(least - one == least)
        #expect(Interval.max - Interval(nanoseconds: -1) == .max)
        #expect(Interval.zero - least == .max)
        #expect(Interval.max * 2 == .max)
        #expect(Interval.max * -2 == least)
        #expect(least * 2 == least)
        #expect(least * -1 == .max)
        #expect(least / -1 == .max)
        var sum = Interval.max
        sum += one
        #expect(sum == .max)
    }

    @Test func arithmeticIsExactWithinTheRange() {
        #expect(Interval.milliseconds(3) + .microseconds(2) == .nanoseconds(3_002_000))
        #expect(Interval.milliseconds(3) - .milliseconds(5) == .milliseconds(-2))
        #expect(Interval.milliseconds(3) * -2 == .milliseconds(-6))
        #expect(Interval.nanoseconds(7) / 2 == .nanoseconds(3))
        #expect(Interval.nanoseconds(-7) / 2 == .nanoseconds(-3))
        #expect(Interval.milliseconds(-1) < .zero && .zero < Interval.nanoseconds(1))
    }

    @Test(arguments: [
        (Int64(0), "0ns"), (999, "999ns"), (-999, "-999ns"), (1_000, "1.000us"), (1_500_000, "1.500ms"),
        (-1_500_000, "-1.500ms"), (999_999_999, "999.999ms"), (1_000_000_000, "1.000s"), (60_050_000_000, "60.050s"),
        (.max, "9223372036.854s"), (.min, "-9223372036.854s"),
    ])
    func describesItself(nanoseconds: Int64, text: String) {
        #expect(Interval(nanoseconds: nanoseconds).description == text)
    }
}
