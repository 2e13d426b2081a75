import Workloads

#if canImport(Glibc)
    import Glibc
#endif

// dxmicro NAME PACKETS: does one workload. dxmicro alone: their names.
let arguments = CommandLine.arguments.dropFirst()
guard let name = arguments.first else {
    for workload in Workloads.all { print(workload.name) }
    exit(0)
}
guard let workload = Workloads.all.first(where: { $0.name == name }),
    let packets = arguments.dropFirst().first.flatMap({ Int($0) }), packets >= 0
else {
    print("usage: dxmicro [NAME PACKETS]; without arguments it lists the names")
    exit(2)
}
var work = workload.make()
work.run(packets: packets)
