import Testing

@testable import DXControl

@Suite struct MetricsFormatTests {
    @Test(arguments: [
        (nil, true), ("*/*", true), ("text/html, */*;q=0.8", true), ("application/openmetrics-text", true),
        ("text/plain", false), ("text/plain;version=0.0.4", false), ("text/*", false), ("nonsense", true), ("", true),
        // What Prometheus 2 sends, before 2.5 and since.
        ("application/vnd.google.protobuf;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", false),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true
        ),
        ("text/plain;q=0.4, application/openmetrics-text; q=0.6", true),
        ("TEXT/PLAIN ; Q=0.9 , application/openmetrics-text;q=0.1", false),
        ("application/openmetrics-text;q=0, text/plain;q=0", true), ("application/*;q=x, text/plain;q=0.1", false),
    ])
    func whatIsAskedFor(_ accept: String?, _ isOpenMetrics: Bool) {
        #expect(OpenMetricsText.Format(accept: accept) == (isOpenMetrics ? .openMetrics : .prometheus))
    }

    /// The older format calls counters by the names of their samples, escapes quotes in labels only, and has no units and no end.
    @Test func theOlderFormat() {
        var text = OpenMetricsText(.prometheus)
        text.counter("dx_sent_bytes", unit: "bytes", "Sent \"bytes\"\nof all.", UInt64(7))
        text.family("dx_build", .info, "The version.", [.init(1, ("version", "1\"2"))])
        text.family("dx_none", .gauge, "Nothing.", [])
        #expect(
            text.finished == #"""
                # TYPE dx_sent_bytes_total counter
                # HELP dx_sent_bytes_total Sent "bytes"\nof all.
                dx_sent_bytes_total 7
                # TYPE dx_build_info gauge
                # HELP dx_build_info The version.
                dx_build_info{version="1\"2"} 1

                """#)
    }

    @Test func distributions() {
        var text = OpenMetricsText()
        text.histogram(
            "dx_connect_seconds", unit: "seconds", "Connect.",
            [.init(labels: [("tunnel", "web")], bounds: [0.01, 1], counts: [2, 0, 3], sum: 12.5)])
        text.family("dx_build", .info, "The version.", [.init(1, ("version", "1"))])
        #expect(
            text.finished == #"""
                # TYPE dx_connect_seconds histogram
                # UNIT dx_connect_seconds seconds
                # HELP dx_connect_seconds Connect.
                dx_connect_seconds_bucket{tunnel="web",le="0.01"} 2
                dx_connect_seconds_bucket{tunnel="web",le="1.0"} 2
                dx_connect_seconds_bucket{tunnel="web",le="+Inf"} 5
                dx_connect_seconds_count{tunnel="web"} 5
                dx_connect_seconds_sum{tunnel="web"} 12.5
                # TYPE dx_build info
                # HELP dx_build The version.
                dx_build_info{version="1"} 1
                # EOF

                """#)
    }
}
