// swift-tools-version: 6.3
// The load of a matchmaker: simulated gateways, as many as it can hold, at a real dxmatchd. A package of its own without
// dependencies, so that it is built in a minute wherever it is wanted.
//
// Modules are symbolic links to ../../Sources/NAME, as in ../Micro: one copy of the code, and only what is needed is built.

import PackageDescription

/// The main package's settings that the sources need to compile; warnings are that package's business.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "dx-match-load",
    targets: [
        .target(name: "CDXOpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CDXSystem"),
        .target(name: "CMatchLoad"),
        .target(name: "DXWire", swiftSettings: strict),
        .target(name: "DXMatch", dependencies: ["DXWire"], swiftSettings: strict),
        .target(name: "DXSecure", dependencies: ["CDXOpenSSL", "DXWire"], swiftSettings: strict),
        .executableTarget(
            name: "matchload", dependencies: ["CDXSystem", "CMatchLoad", "DXMatch", "DXSecure", "DXWire"],
            swiftSettings: strict + [.strictMemorySafety()]),
    ]
)
