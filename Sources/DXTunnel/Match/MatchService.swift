import DXMatch
import DXMatchServer
import DXSecure
import DXSocket
import DXWire
import Logging
import NIOCore

/// A gateway as a matchmaker for its own group (`serve_match`; `docs/matchmaking.md` §1): on sockets of its own, with a key of its
/// own in the state directory. It serves the group's match key and the guests of members (§4.4), answers nothing that is not under
/// its veil, STUN included, and holds some megabytes at most (`MatchServerLimits.small`). Lives on the gateway's event loop; may be
/// used from anywhere.
struct MatchService: Sendable {
    /// The word for this gateway's own matchmaker where a matchmaker, or its pin, is named.
    static let selfWord = "self"
    /// The directory in the state directory where its key and secrets are.
    static let directoryName = "matchmaker"

    private let matchmaker: Matchmaker
    private let listen: HostAddress
    private let advertise: [HostAddress]

    /// What others know it by.
    var pin: GatewayID { matchmaker.pin }

    /// Opens its sockets and serves nobody yet. Throws `GatewayError.listen` when an address cannot be had, `keyFile` when the key
    /// cannot; `system` when OpenSSL fails.
    ///
    /// - Parameter stateDirectory: the gateway's.
    static func start(
        _ service: LocalSettings.ServeMatch, advertise: [HostAddress], stateDirectory: String, logger: Logger,
        at gate: LoopGate
    ) async throws -> MatchService {
        let state: MatchState
        do { state = try MatchState(directory: stateDirectory + "/" + directoryName, now: UnixClock.now()) } catch {
            throw GatewayError.keyFile("serve_match: \(error)")
        }
        var address = ListenAddress(anyAt: service.listen.port)
        if !service.listen.host.isEmpty {
            guard let endpoint = try await NameResolver.resolve(service.listen, at: gate).get().first else {
                throw GatewayError.listen("serve_match: UDP \(service.listen): the name has no address")
            }
            address = ListenAddress(endpoint)
        }
        var configuration = Matchmaker.Configuration(
            listen: MatchListen([address], alternatePort: service.alternatePort),
            groups: .listed([]))
        configuration.limits = .small
        configuration.answersSTUN = false
        do {
            let matchmaker = try await Matchmaker.start(configuration, state: state, logger: logger, on: gate.eventLoop)
            return MatchService(matchmaker: matchmaker, listen: service.listen, advertise: advertise)
        } catch let error as BindError {
            throw GatewayError.listen("serve_match: \(error)")
        } catch let error as SecureError {
            throw GatewayError.system("serve_match: the matchmaker could not be made: \(error)")
        }
    }

    /// Serves the groups of this match key from now on, and no others: who registered under another one is listed no more.
    func serve(_ key: MatchKey?) {
        let keys = (try? key?.identity().publicKey).map { [$0] } ?? []
        matchmaker.serveSoon(ServedGroups(keys: keys))
    }

    /// Frees the ports. Everything held is forgotten; the key stays.
    func stop() async { try? await matchmaker.stop() }

    // MARK: Where it is

    /// Where it is found from this host: the first port, without the one for STUN.
    var ownEndpoints: [Endpoint] {
        let port = matchmaker.localEndpoints.first?.port
        return LocalAddresses.reachable(matchmaker.localEndpoints.filter { $0.port == port })
    }

    /// Where the group is to be told that it is: at the host that this gateway advertises, else where it listens, else at a public
    /// address of this host, of IPv4 where it has one.
    func address() throws(GroupError) -> MatchmakerAddress {
        let own = ownEndpoints
        let port = own.first?.port ?? listen.port
        let outside = own.filter { AddressScope($0) == .global }
        let hosts =
            advertise.filter { !$0.isWildcard }.map(\.host) + (listen.isWildcard ? [] : [listen.host])
            + [outside.first { $0.family == .v4 } ?? outside.first].compactMap { $0?.addressText }
        guard let host = hosts.first,
            let address = MatchmakerAddress(address: HostAddress(host: host, port: port), pin: pin)
        else {
            throw GroupError(
                .badRequest, "this gateway does not know an address that others find it at",
                "write it, as in cloud.example:\(port)#\(Self.selfWord)")
        }
        return address
    }

    /// The matchmaker that a text names: `self`, or an address with `#self`; nil for all other texts.
    func address(named text: String) throws(GroupError) -> MatchmakerAddress? {
        guard text != Self.selfWord else { return try address() }
        let suffix = "#" + Self.selfWord
        guard text.hasSuffix(suffix) else { return nil }
        do throws(MatchmakerAddressError) {
            return try MatchmakerAddress(text.dropLast(suffix.count) + "#\(pin.text)")
        } catch {
            throw GroupError(.badRequest, "\"\(text)\" \(error)", error.remedy)
        }
    }

    // MARK: Status

    /// Its sockets' addresses.
    var listenText: String { matchmaker.localEndpoints.map(\.description).joined(separator: " ") }

    /// What it holds now.
    ///
    /// - Parameter servers: the group's matchmakers.
    func status(servers: [MatchmakerAddress]) async throws -> MatchServiceStatus {
        let held = try await matchmaker.status().front
        let listed = servers.first { $0.pin == pin }
        return MatchServiceStatus(
            listen: matchmaker.localEndpoints.map(\.description), pin: pin.text,
            server: (listed ?? (try? address()))?.description, isListed: listed != nil,
            registrations: held.server.registrations, guests: held.server.admissions,
            introductions: held.server.statistics.introductions, strangers: held.front.drops[.unopened] ?? 0)
    }
}
