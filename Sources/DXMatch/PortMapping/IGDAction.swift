import DXWire

/// An action of a service that maps ports, and its answer (SOAP 1.1; UPnP WANIPConnection:1 §2.4, :2 §2.5). UDP only.
enum IGDAction: Equatable, Sendable {
    /// Which address the router has outside.
    case externalAddress
    /// Map this very port.
    case add(externalPort: UInt16, internalPort: UInt16, client: Endpoint, lease: UInt32)
    /// Map this port, or another one that is free (version 2 only).
    case addAny(externalPort: UInt16, internalPort: UInt16, client: Endpoint, lease: UInt32)
    /// End the mapping of a port.
    case delete(externalPort: UInt16)

    /// The action's name.
    var name: String {
        switch self {
        case .externalAddress: "GetExternalIPAddress"
        case .add: "AddPortMapping"
        case .addAny: "AddAnyPortMapping"
        case .delete: "DeletePortMapping"
        }
    }

    private var arguments: [(String, String)] {
        switch self {
        case .externalAddress: []
        case .delete(let port): [("NewRemoteHost", ""), ("NewExternalPort", "\(port)"), ("NewProtocol", "UDP")]
        case .add(let external, let inside, let client, let lease),
            .addAny(let external, let inside, let client, let lease):
            [
                ("NewRemoteHost", ""), ("NewExternalPort", "\(external)"), ("NewProtocol", "UDP"),
                ("NewInternalPort", "\(inside)"), ("NewInternalClient", client.addressText), ("NewEnabled", "1"),
                ("NewPortMappingDescription", "dx"), ("NewLeaseDuration", "\(lease)"),
            ]
        }
    }

    /// The value of the header SOAPACTION.
    func header(_ kind: IGDService.Kind) -> String { "\"\(kind.urn)#\(name)\"" }

    /// The document that asks for it. No value in it needs escaping.
    func body(_ kind: IGDService.Kind) -> [UInt8] {
        let values = arguments.map { "<\($0)>\($1)</\($0)>" }.joined()
        let text = """
            <?xml version="1.0"?>\r
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" \
            s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>\
            <u:\(name) xmlns:u="\(kind.urn)">\(values)</u:\(name)></s:Body></s:Envelope>\r

            """
        return Array(text.utf8)
    }

    /// What a router answered.
    enum Answer: Equatable, Sendable {
        /// Its address outside; nil where it has none.
        case externalAddress(Endpoint?)
        /// The port is mapped; another than the wanted one if it says so.
        case added(port: UInt16)
        /// The mapping is gone.
        case deleted
        /// UPnP's error code.
        case fault(UInt16)
    }

    /// Reads an answer to this action. Throws for what is none.
    func answer(reading document: [UInt8]) throws(XMLScanner.Problem) -> Answer {
        var scanner = try XMLScanner(document)
        var path: [String] = []
        var values: [String: String] = [:]
        var isAnswer = false
        while let event = try scanner.next() {
            switch event {
            case .start(let element):
                path.append(element)
                isAnswer = isAnswer || path == ["Envelope", "Body", name + "Response"]
            case .end: path.removeLast()
            case .text(let text):
                guard let last = path.last, Self.wanted.contains(last), path.starts(with: ["Envelope", "Body"]) else {
                    continue
                }
                values[last] = values[last] ?? text
            }
        }
        if let code = values["errorCode"] {
            guard let code = UInt16(code) else { throw .malformed }
            return .fault(code)
        }
        guard isAnswer else { throw .malformed }
        return try read(values)
    }

    /// The elements that are looked at.
    private static let wanted: Set<String> = ["NewExternalIPAddress", "NewReservedPort", "errorCode"]

    private func read(_ values: [String: String]) throws(XMLScanner.Problem) -> Answer {
        switch self {
        case .externalAddress:
            let found = values["NewExternalIPAddress"].flatMap { Endpoint(dottedV4: $0, port: 0) }
            return .externalAddress(found.flatMap { $0.isUnspecified ? nil : $0 })
        case .add(let port, _, _, _): return .added(port: port)
        case .addAny:
            guard let port = values["NewReservedPort"].flatMap({ UInt16($0) }), port != 0 else { throw .malformed }
            return .added(port: port)
        case .delete: return .deleted
        }
    }
}

/// Error codes of UPnP (UPnP Device Architecture 2.0 §3.2.2; WANIPConnection:2 §2.5).
enum IGDFault {
    static let invalidAction: UInt16 = 401
    static let notImplemented: UInt16 = 602
    static let notAuthorized: UInt16 = 606
    /// Somebody else has the port.
    static let conflict: UInt16 = 718
    /// Outside and inside must have the same port.
    static let samePortRequired: UInt16 = 724
    /// Mappings without an end only.
    static let permanentOnly: UInt16 = 725
    static let noPortAvailable: UInt16 = 728
    /// Also: somebody else has it, of another kind (WANIPConnection:2).
    static let conflictWithOther: UInt16 = 729

    /// What a code means.
    static func failure(_ code: UInt16) -> PortMappingFailure {
        switch code {
        case notAuthorized: .notAuthorized
        case noPortAvailable, conflict, conflictWithOther: .noResources
        default: .refused(code)
        }
    }
}
