import DXWire

@testable import DXMatch

/// What DXMatch promises about any bytes at all. The unit tests and the fuzzer call the same checks.
///
/// A broken promise is a `MatchPropertyFailure`; a trap is for the test run or the fuzzer to see.
enum MatchProperty: Hashable, Sendable, CustomStringConvertible {
    /// What is read, written again and read once more is the same.
    case codec(MatchCodec)
    /// The same of STUN, but for what stays where it lies.
    case stun
    /// The same of what goes through a network by multicast.
    case lan
    /// A mapper whose router says anything at any time asks nobody but that router, and comes to rest.
    case portMapper

    static let allCases: [MatchProperty] = MatchCodec.allCases.map { .codec($0) } + [.stun, .lan, .portMapper]

    /// The name of its folder in `Fuzz/FailCases`.
    var description: String {
        switch self {
        case .codec(let codec): "match-\(codec.rawValue)"
        case .stun: "stun"
        case .lan: "lan-message"
        case .portMapper: "port-mapper"
        }
    }

    /// Valid inputs to start from.
    var seeds: [[UInt8]] {
        switch self {
        case .codec(let codec): MatchVector.all.filter { $0.codec == codec }.map(\.bytes)
        case .stun: Self.stunSeeds
        case .lan: Self.lanSeeds
        case .portMapper: PortMapperScript.seeds
        }
    }

    /// Feeds `bytes` to what the property is about.
    func check(_ bytes: [UInt8]) throws {
        switch self {
        case .codec(let codec): try Self.check(codec, bytes)
        case .stun: try Self.checkSTUN(bytes)
        case .lan: try Self.checkLAN(bytes)
        case .portMapper: try PortMapperScript.run(bytes)
        }
    }

    private static func check(_ codec: MatchCodec, _ bytes: [UInt8]) throws {
        guard let first = codec.read(bytes) else { return }
        guard codec.read(first) == first else {
            throw MatchPropertyFailure(description: "\(codec): changed to \(Hex.text(first))")
        }
    }

    // MARK: STUN

    private static var stunSeeds: [[UInt8]] {
        var answer = STUNMessage(kind: .success, transaction: TransactionID(high: 1, low: 2))
        answer.xorMappedAddress = Endpoint(v4: 0xcb00_710a, port: 4_000)
        answer.otherAddress = Endpoint(v6High: 0x2001_0db8_0000_0000, low: 7, port: 3_479)
        answer.hasFingerprint = true
        var request = STUNMessage(kind: .request, transaction: TransactionID(high: 3, low: 4))
        request.changeRequest = [.port]
        return [answer, request].map { message in
            let software = Array("dxmatchd".utf8)
            return Written.bytes { message.write(software: software.raw, to: &$0) }
        }
    }

    private static func checkSTUN(_ bytes: [UInt8]) throws {
        guard STUNMessage.isPossible(bytes.raw), let message = try? STUNMessage(reading: bytes.raw) else { return }
        if let software = message.software {
            let end = software.offset + software.count
            guard software.offset >= 0, end <= bytes.count else {
                throw MatchPropertyFailure(description: "SOFTWARE ends at \(end) of \(bytes.count)")
            }
            _ = STUNSoftware.pin(in: bytes.raw.extracting(software.offset..<end))
        }
        var plain = message
        plain.software = nil
        if message.kind != .failure { plain.unknownAttributes = STUNUnknownAttributes() }
        let written = Written.bytes { plain.write(to: &$0) }
        guard (try? STUNMessage(reading: written.raw)) == plain else {
            throw MatchPropertyFailure(description: "changed to \(Hex.text(written))")
        }
    }

    // MARK: LAN

    private static var lanSeeds: [[UInt8]] {
        let bodies: [LANMessage.Body] = [
            .announcement(wanted: nil), .announcement(wanted: [1, .max]), .answer(boot: 5, counter: 6),
        ]
        return bodies.map { body in
            LANMessage(
                sender: GatewayID([UInt8](repeating: 9, count: GatewayID.byteCount))!, boot: 1, counter: 2,
                port: 4_000, body: body
            ).bytes
        }
    }

    private static func checkLAN(_ bytes: [UInt8]) throws {
        guard let message = try? LANMessage(reading: bytes.raw) else { return }
        let written = message.bytes
        guard let again = try? LANMessage(reading: written.raw), again == message else {
            throw MatchPropertyFailure(description: "changed to \(Hex.text(written))")
        }
    }
}

/// A broken promise.
struct MatchPropertyFailure: Error, CustomStringConvertible {
    var description: String
}
