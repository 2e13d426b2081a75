@testable import DXTunnel

/// A control message and its bytes on the wire (`docs/wire-format.md` §7), length included.
struct TunnelMessageVector: Sendable, CustomStringConvertible {
    var message: TunnelMessage
    var bytes: [UInt8]
    var description: String { "\(message)" }

    private init(_ message: TunnelMessage, _ text: String) {
        self.message = message
        bytes = Self.hex(text)
    }

    /// As this version writes them.
    static let canonical: [TunnelMessageVector] = [
        TunnelMessageVector(.activate(request: 7, tunnel: "web"), "06 01 07 03 77 65 62"),
        TunnelMessageVector(.activate(request: 16_384, tunnel: ""), "06 01 80 00 40 00 00"),
        TunnelMessageVector(.activate(request: 0, tunnel: "\u{e9}"), "05 01 00 02 c3 a9"),
        TunnelMessageVector(.activateUDP(request: 7, tunnel: "dns"), "06 0a 07 03 64 6e 73"),
        TunnelMessageVector(.activated(request: 7, internalPort: 0xdead_beef), "06 02 07 de ad be ef"),
        TunnelMessageVector(
            .activated(request: 1 << 62 - 1, internalPort: 0), "0d 02 ff ff ff ff ff ff ff ff 00 00 00 00"),
        TunnelMessageVector(.refused(request: 7, code: .notAllowed, reason: "no"), "06 03 07 01 02 6e 6f"),
        TunnelMessageVector(
            .refused(request: 64, code: TunnelMessage.RefusalCode(rawValue: 300), reason: ""), "06 03 40 40 41 2c 00"),
        TunnelMessageVector(.deactivated(internalPort: 0x0102_0304, reason: ""), "06 04 01 02 03 04 00"),
        TunnelMessageVector(.deactivated(internalPort: 1, reason: "gone"), "0a 04 00 00 00 01 04 67 6f 6e 65"),
        TunnelMessageVector(.echo(token: 0x0102_0304_0506_0708), "09 05 01 02 03 04 05 06 07 08"),
        TunnelMessageVector(.echoed(token: .max), "09 06 ff ff ff ff ff ff ff ff"),
        TunnelMessageVector(.target(internalPort: 0x0102_0304, state: .up, reason: ""), "07 10 01 02 03 04 01 00"),
        TunnelMessageVector(
            .target(internalPort: 1, state: .down, reason: "dead"), "0b 10 00 00 00 01 02 04 64 65 61 64"),
        TunnelMessageVector(.leaving(true), "02 11 01"),
        TunnelMessageVector(.leaving(false), "02 11 00"),
        TunnelMessageVector(.succession, "01 12"),
    ]

    /// As this version writes them where a tunnel has something special.
    static let withTerms: [TunnelMessageVector] = [
        TunnelMessageVector(
            .activate(request: 7, tunnel: "web", terms: ActivationTerms(features: [.head, .deflate], portCount: 300)),
            "0d 01 07 03 77 65 62 01 01 03 02 02 41 2c"),
        TunnelMessageVector(
            .activated(request: 7, internalPort: 1, terms: ActivationTerms(features: .head)),
            "09 02 07 00 00 00 01 01 01 01"),
    ]

    /// As a newer or less frugal version may write them.
    static let alternative: [TunnelMessageVector] = [
        // Longer forms of length, type, request and text length than needed.
        TunnelMessageVector(.activate(request: 7, tunnel: "web"), "40 0b 40 01 80 00 00 07 40 03 77 65 62"),
        // Bytes after the known fields.
        TunnelMessageVector(.activated(request: 7, internalPort: 1), "09 02 07 00 00 00 01 aa bb cc"),
        // Terms of a newer version among the known ones; terms that are no integers, and then what is no term at all.
        TunnelMessageVector(
            .activate(request: 7, tunnel: "web", terms: ActivationTerms(features: .head)),
            "0c 01 07 03 77 65 62 09 01 ff 01 01 01"),
        TunnelMessageVector(.activated(request: 7, internalPort: 1), "0b 02 07 00 00 00 01 01 02 05 06 07"),
        // ECHO with data.
        TunnelMessageVector(.echo(token: 1), "0c 05 00 00 00 00 00 00 00 01 11 22 33"),
        // A state of a target that this version does not know.
        TunnelMessageVector(.target(internalPort: 1, state: .unknown, reason: ""), "07 10 00 00 00 01 05 00"),
        TunnelMessageVector(.leaving(true), "02 11 07"),
        // An unknown type, with and without content.
        TunnelMessageVector(.unknown, "01 07"),
        TunnelMessageVector(.unknown, "05 44 d2 01 02 03"),
    ]

    private static func hex(_ text: String) -> [UInt8] {
        text.split(separator: " ").map { pair in
            guard let byte = UInt8(pair, radix: 16) else { preconditionFailure("not a byte: \(pair)") }
            return byte
        }
    }
}
