public import DXWire

/// A matchmaker as operators write it: `HOST:PORT#PIN` (`docs/matchmaking.md` §6). The pin is the gateway id of its key, by which
/// alone it is known: without it nothing can be said to it.
public struct MatchmakerAddress: Hashable, Sendable {
    /// Where it listens: a host that is given, and a port from 1 on.
    public let address: HostAddress
    /// The gateway id of its key.
    public let pin: GatewayID

    /// The port that a matchmaker listens at unless it is told otherwise.
    public static let standardPort: UInt16 = 3_478

    /// A matchmaker from its parts; nil for an address to which nothing can be sent, or whose host is none.
    public init?(address: HostAddress, pin: GatewayID) {
        guard !address.host.isEmpty, address.port != 0, !address.isWildcard else { return nil }
        do throws(HostAddressError) { try address.check() } catch { return nil }
        self.address = address
        self.pin = pin
    }

    /// Reads `HOST:PORT#PIN`.
    public init(_ text: String) throws(MatchmakerAddressError) {
        let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let address: HostAddress
        do throws(HostAddressError) { address = try HostAddress(String(parts[0])) } catch {
            throw .address(error)
        }
        guard parts.count == 2, !parts[1].isEmpty else { throw .missingPin }
        guard let pin = GatewayID(text: String(parts[1])) else { throw .badPin }
        guard let matchmaker = MatchmakerAddress(address: address, pin: pin) else { throw .nowhere }
        self = matchmaker
    }
}

extension MatchmakerAddress: CustomStringConvertible {
    /// The text form.
    public var description: String { "\(address)#\(pin.text)" }
}

/// What is wrong with the text of a `MatchmakerAddress`.
public enum MatchmakerAddressError: Error, Hashable, Sendable {
    /// What stands before the `#` is no address.
    case address(HostAddressError)
    /// No host, or port 0.
    case nowhere
    /// No `#`, or nothing behind it.
    case missingPin
    /// What stands behind the `#` is no gateway id.
    case badPin
}

extension MatchmakerAddressError: CustomStringConvertible {
    /// The fault in words, to stand after the text it is about.
    public var description: String {
        switch self {
        case .address(let error): "\(error)"
        case .nowhere: "is no address that something can be sent to"
        case .missingPin: "has no pin"
        case .badPin: "has a pin that is none"
        }
    }

    /// What to do about it.
    public var remedy: String {
        switch self {
        case .address(.missingPort): "add it, as in match.example:\(MatchmakerAddress.standardPort)#PIN"
        case .address(let error): error.remedy(isTarget: true)
        case .nowhere: "write a host and a port, as in match.example:\(MatchmakerAddress.standardPort)#PIN"
        case .missingPin: "run dxmatchd pin there, and write HOST:PORT#PIN with what it prints"
        case .badPin: "run dxmatchd pin there, and copy all \(GatewayID.textCount) characters of it"
        }
    }
}
