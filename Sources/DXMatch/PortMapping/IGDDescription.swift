import DXWire

/// A service of a router that maps ports.
struct IGDService: Equatable, Sendable {
    /// Its type; better ones first.
    enum Kind: Int, CaseIterable, Sendable {
        /// WANIPConnection:2, of IGD version 2: finds a free port itself.
        case ip2
        /// WANIPConnection:1.
        case ip1
        /// WANPPPConnection:1: of routers that dial in.
        case ppp1

        /// The name on the wire.
        var urn: String {
            switch self {
            case .ip2: "urn:schemas-upnp-org:service:WANIPConnection:2"
            case .ip1: "urn:schemas-upnp-org:service:WANIPConnection:1"
            case .ppp1: "urn:schemas-upnp-org:service:WANPPPConnection:1"
            }
        }
    }

    /// Its type.
    let kind: Kind
    /// Where its actions are asked for.
    let control: HTTPLocation
}

/// What a router's device description says of its services (UPnP Device Architecture 2.0 §2.3).
struct IGDDescription: Equatable, Sendable {
    /// Those that map ports, best first; at most `mostServices`.
    var services: [IGDService] = []
    /// Whether there were others, at another host than the router.
    var hasUntrusted = false

    /// A router with more lines outside than this is no household's.
    static let mostServices = 8

    /// Reads a description that came from `location`. Services elsewhere than at that host are left out.
    init(reading document: [UInt8], from location: HTTPLocation) throws(XMLScanner.Problem) {
        var scanner = try XMLScanner(document)
        var path: [String] = []
        var base = location
        var (type, control) = ("", "")
        while let event = try scanner.next() {
            switch event {
            case .start(let name):
                path.append(name)
                if name == "service" { (type, control) = ("", "") }
            case .text(let text):
                switch path.suffix(2) {
                case ["service", "serviceType"]: type = text
                case ["service", "controlURL"]: control = text
                case ["root", "URLBase"]:
                    // Only of version 1.0, and there it wins. One that cannot be read leads nowhere.
                    guard let found = HTTPLocation(text) else { throw .malformed }
                    base = found
                default: break
                }
            case .end(let name):
                path.removeLast()
                if name == "service" { add(type, at: base.resolving(control), from: location) }
            }
        }
        services.sort { $0.kind.rawValue < $1.kind.rawValue }
    }

    private mutating func add(_ type: String, at control: HTTPLocation?, from location: HTTPLocation) {
        guard let kind = IGDService.Kind.allCases.first(where: { $0.urn == type }), let control,
            services.count < Self.mostServices
        else { return }
        guard control.endpoint.hasSameAddress(as: location.endpoint) else {
            hasUntrusted = true
            return
        }
        services.append(IGDService(kind: kind, control: control))
    }
}
