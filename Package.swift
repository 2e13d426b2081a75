// swift-tools-version: 6.3
// Targets and their settings; no logic. Layers point down only (docs/architecture.md §2).

import PackageDescription

/// Style settings of every Swift target; each one turns a class of mistakes into an error.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
]

/// Those of what tests run for simulated hours: without the optimiser that takes minutes. `./test` asks for it; it cannot be the rule, as
/// SwiftPM lets nobody depend on a package with such flags. Assertions stay.
let simulated: [SwiftSetting] =
    Context.environment["DX_FAST_SIMULATOR"] == "1"
    ? strict + [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))] : strict

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "dx",
    products: [
        .library(name: "DXTunnel", targets: ["DXTunnel"]),
        .executable(name: "dxgateway", targets: ["dxgateway"]),
        .executable(name: "dxmatchd", targets: ["dxmatchd"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // Its default traits bring the whole of Foundation and swift-configuration: not for small devices.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C shims: macros as functions, system calls that Swift cannot express.
        .target(name: "CDXOpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        // The rest of the resolver, which reads SRV records, is a library of its own in libc6.
        .target(name: "CDXSystem", linkerSettings: [.linkedLibrary("resolv")]),

        // The host's zlib: compression of tunnels.
        .target(name: "CZlib", linkerSettings: [.linkedLibrary("z")]),

        // Pure: no socket, clock, task or randomness that was not handed in.
        .target(name: "DXWire", swiftSettings: simulated),
        .target(name: "DXStream", dependencies: ["DXWire", nioCore, collections], swiftSettings: simulated),

        .target(name: "DXMatch", dependencies: ["DXWire"], swiftSettings: simulated),

        // OpenSSL inside, datagrams at both ends.
        .target(name: "DXSecure", dependencies: ["CDXOpenSSL", "DXWire"], swiftSettings: strict),
        // The one module that touches UDP sockets.
        .target(
            name: "DXSocket", dependencies: ["CDXSystem", "DXWire", nioCore, nioPosix], swiftSettings: strict),
        // The matchmaker: its front on the wire, its sockets, what it keeps. By itself in dxmatchd, in a gateway with serve_match.
        .target(
            name: "DXMatchServer",
            dependencies: [
                "DXWire", "DXSecure", "DXMatch", "DXSocket", nioCore, nioPosix, collections, logging,
            ], swiftSettings: strict),
        // Gateway: channels, tunnels, TCP bridging. The embedding API.
        .target(
            name: "DXTunnel",
            dependencies: [
                "CDXSystem", "CZlib", "DXWire", "DXSecure", "DXStream", "DXMatch", "DXMatchServer", "DXSocket", nioCore,
                nioPosix,
                nioHTTP1,
                collections, logging, lifecycle, .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ], swiftSettings: strict),
        // Registrations shared by Redis: for dxmatchd alone, which alone links hiredis.
        .target(name: "CHiredis", linkerSettings: [.linkedLibrary("hiredis")]),
        .target(
            name: "DXMatchRedis",
            dependencies: [
                "CHiredis", "DXWire", "DXSecure", "DXMatch", "DXMatchServer", "DXSocket", nioPosix, logging,
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ], swiftSettings: strict),
        // Configuration files and the control API, shared by the programs.
        .target(
            name: "DXControl",
            dependencies: [
                "CDXSystem", "DXMatch", "DXMatchServer", "DXSecure", "DXSocket", "DXTunnel", "DXWire", nioCore,
                nioPosix, nioHTTP1,
                logging, lifecycle,
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Yams", package: "Yams"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], resources: [.embedInCode("Dashboard/Page")], swiftSettings: strict),
        // No tables for Foundation's ICU, which Yams brings: for the programs alone.
        .target(name: "CNoUnicodeTables"),
        .executableTarget(
            name: "dxgateway",
            dependencies: [
                "CNoUnicodeTables", "DXControl", "DXTunnel", nioCore, nioPosix, logging, lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        .executableTarget(
            name: "dxmatchd",
            dependencies: [
                "CNoUnicodeTables", "DXControl", "DXMatch", "DXMatchRedis", "DXMatchServer", "DXSecure", "DXSocket",
                "DXWire",
                nioCore, nioPosix, logging,
                lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),

        // Services that embed a gateway, as documentation that is compiled. Targets here and no package of their own: that would
        // build Hummingbird and SwiftNIO a second time.
        .executableTarget(
            name: "DialExample",
            dependencies: [
                "DXTunnel", nioCore, nioHTTP1, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Examples/DialExample", swiftSettings: strict),
        .executableTarget(
            name: "ServeExample",
            dependencies: [
                "DXTunnel", nioCore, logging, lifecycle,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Examples/ServeExample", swiftSettings: strict),

        // Networks of channels in memory on virtual time; used by tests and Benchmarks.
        .target(
            name: "DXSimulator", dependencies: ["DXWire", "DXStream", nioCore, collections],
            path: "Tests/DXSimulator", swiftSettings: simulated),

        // The driver of port mapping as a program, for Tests/Lab.
        .executableTarget(
            name: "port-map-probe",
            dependencies: [
                "DXMatch", "DXTunnel", "DXWire", nioCore, nioPosix,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], path: "Tests/PortMapProbe", swiftSettings: strict),

        .testTarget(name: "DXWireTests", dependencies: ["DXWire"], swiftSettings: strict),
        .testTarget(
            name: "DXSecureTests", dependencies: ["DXSecure", "CDXOpenSSL", "CTestSupport", "DXWire"],
            swiftSettings: strict),
        .testTarget(name: "DXMatchTests", dependencies: ["DXMatch", "DXSimulator", "DXWire"], swiftSettings: strict),
        .testTarget(
            name: "DXStreamTests", dependencies: ["DXStream", "DXSimulator", "DXWire", nioCore, collections],
            exclude: ["Golden"],
            swiftSettings: strict),
        // Counts allocations, makes private networks: for tests.
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .testTarget(
            name: "DXSocketTests",
            dependencies: ["DXSocket", "CTestSupport", "CDXSystem", "DXWire", nioCore, nioPosix],
            swiftSettings: strict),
        // Directories that go away with a test.
        .target(name: "DXTestFiles", path: "Tests/DXTestFiles", swiftSettings: strict),
        .testTarget(
            name: "DXTunnelTests",
            dependencies: [
                "DXTunnel", "DXMatch", "DXMatchServer", "DXSecure", "DXSocket", "DXStream", "DXTestFiles", "DXWire",
                nioCore, nioPosix, nioHTTP1,
                logging, lifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DXMatchServerTests",
            dependencies: [
                "DXMatchServer", "DXMatch", "DXMatchRedis", "DXSecure", "DXSocket", "DXTestFiles", "DXWire", "dxmatchd",
                nioCore,
                nioPosix,
                logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DXControlTests",
            dependencies: [
                "DXControl", "DXTestFiles", "DXTunnel", "dxgateway", nioCore, nioEmbedded, nioPosix, logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DXSimulatorTests", dependencies: ["DXSimulator", "DXStream", "DXWire", nioCore],
            exclude: ["Golden"], swiftSettings: strict),
    ]
)
