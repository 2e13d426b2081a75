import Testing

@testable import DXControl

@Suite struct OpenMetricsTextTests {
    @Test func families() {
        var text = OpenMetricsText()
        text.gauge("dx_members", "Members.", 3)
        text.counter("dx_sent_bytes", unit: "bytes", "Sent \"bytes\"\nof all.", UInt64(1) << 40)
        text.family(
            "dx_drops", .counter, "Drops.",
            [.init(1, ("reason", "a\\b\"c\nd"), ("end", "origin")), .init(0, ("reason", "x"), ("end", "y"))])
        text.family("dx_cpu_seconds", .counter, unit: "seconds", "CPU.", [.init(seconds: 0.25)])
        #expect(
            text.finished == #"""
                # TYPE dx_members gauge
                # HELP dx_members Members.
                dx_members 3
                # TYPE dx_sent_bytes counter
                # UNIT dx_sent_bytes bytes
                # HELP dx_sent_bytes Sent \"bytes\"\nof all.
                dx_sent_bytes_total 1099511627776
                # TYPE dx_drops counter
                # HELP dx_drops Drops.
                dx_drops_total{reason="a\\b\"c\nd",end="origin"} 1
                dx_drops_total{reason="x",end="y"} 0
                # TYPE dx_cpu_seconds counter
                # UNIT dx_cpu_seconds seconds
                # HELP dx_cpu_seconds CPU.
                dx_cpu_seconds_total 0.25
                # EOF

                """#)
    }
}
