// swift-tools-version: 6.3
// Benchmarks of single machines in memory: what a packet costs. A package of its own, so that nobody who embeds a gateway
// fetches a benchmark library. `./gate` holds instructions and allocations to stored thresholds; `swift package benchmark`
// measures time.
//
// Modules under test are symbolic links to ../../Sources/NAME, as in Fuzz: one copy of the code, and only what they need
// is built.

import Foundation
import PackageDescription

/// The main package's settings that the sources need to compile; warnings are that package's business.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "dx-micro",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        .target(name: "CDXOpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "DXWire", swiftSettings: strict),
        .target(name: "DXStream", dependencies: ["DXWire", nioCore, collections], swiftSettings: strict),
        .target(name: "DXSecure", dependencies: ["CDXOpenSSL", "DXWire"], swiftSettings: strict),
        // What is measured, the same for both programs.
        .target(
            name: "Workloads", dependencies: ["DXWire", "DXStream", "DXSecure", nioCore], swiftSettings: strict),
        // One workload, so many packets: for tools that count.
        .executableTarget(name: "dxmicro", dependencies: ["Workloads"], swiftSettings: strict),
    ]
)

// The gate needs none of this, and CI does not build it.
if ProcessInfo.processInfo.environment["DX_TIMED"] != nil {
    package.dependencies.append(
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []))
    package.targets.append(
        .executableTarget(
            name: "PerPacket",
            dependencies: ["Workloads", .product(name: "Benchmark", package: "benchmark")],
            path: "Benchmarks/PerPacket", swiftSettings: strict,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]))
}
