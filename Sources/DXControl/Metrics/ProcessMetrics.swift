import DXTunnel
import Glibc

/// What the process uses, by the names that dashboards know.
enum ProcessMetrics {
    /// Writes the families; what is known of the process already is not looked up again.
    static func write(to text: inout OpenMetricsText, open: Int? = nil, resident: Int? = nil) {
        var usage = rusage()
        if unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let seconds =
                Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
            text.family(
                "process_cpu_seconds", .counter, unit: "seconds", "CPU time, user and system.",
                [.init(seconds: seconds)])
        }
        if let resident = resident ?? residentByteCount {
            text.gauge("process_resident_memory_bytes", unit: "bytes", "Resident memory.", resident)
        }
        if let start {
            text.family(
                "process_start_time_seconds", .gauge, unit: "seconds", "When the process was started, since 1970.",
                [.init(seconds: start)])
        }
        if let open = open ?? ProcessDescriptors.openCount {
            text.gauge("process_open_fds", "File descriptors that are open.", open)
        }
        text.gauge("process_max_fds", "File descriptors that there may be.", ProcessDescriptors.limit)
    }

    /// The second number of statm: resident pages (proc(5)).
    private static var residentByteCount: Int? {
        guard let text = try? FileText.read("/proc/self/statm", limit: 256) else { return nil }
        let numbers = text.split(separator: " ")
        return numbers.count > 1 ? Int(numbers[1]).map { $0 * sysconf(Int32(_SC_PAGESIZE)) } : nil
    }

    /// When the process was started; worked out once, as it would move with each look by what the clock was corrected.
    private static let start = startTime()

    /// The start in ticks after boot (proc(5), stat, field 22), counted from when that was by the clock of now.
    private static func startTime() -> Double? {
        guard let stat = try? FileText.read("/proc/self/stat", limit: 4_096),
            // The second field is the program's name in parentheses, and may hold anything.
            let fields = stat.split(separator: ")").last?.split(separator: " "), fields.count > 19,
            let ticks = Double(fields[19]),
            let uptime = (try? FileText.read("/proc/uptime", limit: 256))?.split(separator: " ").first.flatMap({
                Double($0)
            })
        else { return nil }
        return Double(Timestamp.now().unixMilliseconds) / 1_000 - uptime + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
