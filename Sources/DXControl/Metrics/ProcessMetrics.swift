import Glibc

/// What the process uses, by the names that dashboards know.
enum ProcessMetrics {
    /// Writes the families.
    static func write(to text: inout OpenMetricsText) {
        var usage = rusage()
        if unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let seconds =
                Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
            text.family(
                "process_cpu_seconds", .counter, unit: "seconds", "CPU time, user and system.",
                [.init(seconds: seconds)])
        }
        if let resident = residentByteCount {
            text.gauge("process_resident_memory_bytes", unit: "bytes", "Resident memory.", resident)
        }
    }

    /// The second number of statm: resident pages (proc(5)).
    private static var residentByteCount: Int? {
        guard let text = try? FileText.read("/proc/self/statm", limit: 256) else { return nil }
        let numbers = text.split(separator: " ")
        return numbers.count > 1 ? Int(numbers[1]).map { $0 * sysconf(Int32(_SC_PAGESIZE)) } : nil
    }
}
