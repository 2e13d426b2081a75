import Benchmark
import Workloads

/// Every workload, a thousand packets at a time.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .cpuTotal, .throughput], scalingFactor: .kilo, maxDuration: .seconds(2))
    for (name, make) in Workloads.all {
        Benchmark(name) { benchmark in
            var workload = make()
            benchmark.startMeasurement()
            workload.run(packets: benchmark.scaledIterations.count)
            benchmark.stopMeasurement()
        }
    }
}
