public import DXWire

/// A matchmaker as operators write it: `HOST:PORT#PIN`, or `NAME#PIN` for a service of that name (`docs/matchmaking.md` §6). The pin is
/// the gateway id of its key, by which alone it is known: without it nothing can be said to it.
public struct MatchmakerAddress: Hashable, Sendable {
    /// Where it listens: a host that is given, and a port from 1 on; of a service where it is when there are no SRV records.
    public let address: HostAddress
    /// Whether it was named without a port: `_dxmatch._udp` and the name say where it is (SRV, RFC 2782), if they say anything.
    public let isService: Bool
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
        isService = false
    }

    /// A service of a name; nil for what is no name. An IP address has no services: it is that address, at the standard port.
    public init?(service name: String, pin: GatewayID) {
        guard let host = MatchmakerAddress(address: HostAddress(host: name, port: Self.standardPort), pin: pin) else {
            return nil
        }
        address = host.address
        self.pin = pin
        isService = address.endpoint == nil
    }

    /// Where it is, as it was written, without the pin.
    public var place: String { isService ? address.host : address.description }

    /// Reads `HOST:PORT#PIN`, or `HOST#PIN`.
    public init(_ text: String) throws(MatchmakerAddressError) {
        let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        var address: HostAddress
        var isService = false
        do throws(HostAddressError) { address = try HostAddress(String(parts[0])) } catch {
            guard error == .missingPort, !parts[0].isEmpty, !parts[0].hasSuffix(":") else { throw .address(error) }
            do throws(HostAddressError) { address = try HostAddress("\(parts[0]):\(Self.standardPort)") } catch {
                throw .address(error)
            }
            isService = true
        }
        guard parts.count == 2, !parts[1].isEmpty else { throw .missingPin }
        guard let pin = GatewayID(text: String(parts[1])) else { throw .badPin }
        let matchmaker =
            isService
            ? MatchmakerAddress(service: address.host, pin: pin) : MatchmakerAddress(address: address, pin: pin)
        guard let matchmaker else { throw .nowhere }
        self = matchmaker
    }
}

extension MatchmakerAddress: CustomStringConvertible {
    /// The text form.
    public var description: String { "\(place)#\(pin.text)" }
}

/// What is wrong with the text of a `MatchmakerAddress`.
public enum MatchmakerAddressError: Error, Hashable, Sendable {
    /// What stands before the `#` is no address and no name.
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
        case .address(.missingPort):
            "write one, as in match.example:\(MatchmakerAddress.standardPort)#PIN, or a name alone: match.example#PIN"
        case .address(let error): error.remedy(isTarget: true)
        case .nowhere: "write a host and a port, as in match.example:\(MatchmakerAddress.standardPort)#PIN"
        case .missingPin: "run dxmatchd pin there, and write HOST:PORT#PIN with what it prints"
        case .badPin: "run dxmatchd pin there, and copy all \(GatewayID.textCount) characters of it"
        }
    }
}
