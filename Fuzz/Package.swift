// swift-tools-version: 6.3
// Fuzzers. A package of its own, because everything in it is compiled with libFuzzer's and the address sanitizer's
// instrumentation. `./run` builds and runs them; README.md says how to add one.
//
// Modules under test are symbolic links to ../Sources/NAME, not a dependency on the package above: that would fetch and
// build all that the gateway needs, while DXWire alone builds in seconds. There is one copy of the code.

import PackageDescription

/// The main package's settings that the sources need to compile; warnings are that package's business.
let instrumented: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    // Optimised, for ten times as many cases a second, but with `assert` alive.
    .unsafeFlags(["-sanitize=fuzzer,address", "-assert-config", "Debug"]),
]
// gold, the default, ends with an internal error on these objects (Swift 6.3.1, binutils 2.40); lld comes with Swift.
let linked: [LinkerSetting] = [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]

let package = Package(
    name: "dx-fuzz",
    targets: [
        // libFuzzer's entry, which has no header.
        .target(name: "CLibFuzzer"),
        // The command line that every fuzzer here has.
        .target(name: "FuzzDriver", dependencies: ["CLibFuzzer"], swiftSettings: instrumented),

        .target(name: "DXWire", swiftSettings: instrumented),
        .executableTarget(
            name: "FuzzWire", dependencies: ["DXWire", "FuzzDriver"], swiftSettings: instrumented,
            linkerSettings: linked),

        .target(name: "CDXOpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        // Its checks look behind the public declarations.
        .target(
            name: "DXSecure", dependencies: ["CDXOpenSSL", "DXWire"],
            swiftSettings: instrumented + [.unsafeFlags(["-enable-testing"])]),
        .executableTarget(
            name: "FuzzSecure", dependencies: ["DXSecure", "DXWire", "FuzzDriver"], swiftSettings: instrumented,
            linkerSettings: linked),

        // Its checks look behind the public declarations.
        .target(
            name: "DXMatch", dependencies: ["DXWire"],
            swiftSettings: instrumented + [.unsafeFlags(["-enable-testing"])]),
        .executableTarget(
            name: "FuzzMatch", dependencies: ["DXMatch", "DXWire", "FuzzDriver"], swiftSettings: instrumented,
            linkerSettings: linked),

        // One executable for each further module goes here, and into EXECUTABLES of `run`: FuzzTunnel for control
        // messages, FuzzStream for sequences of stream operations.
    ]
)
