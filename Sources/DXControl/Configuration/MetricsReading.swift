import DXSocket
import DXTunnel
import Yams

/// `metrics`, the same in both kinds of files.
extension YAMLReader {
    private static let form = "true, false, ADDRESS:PORT, [IPV6]:PORT, :PORT or {address: \":9478\", token: FILE}"

    /// `false`, where, or where and for whom. It is an address, as nobody looks a name up for a listener.
    ///
    /// - Parameter resolve: makes a path of what the file says.
    mutating func metrics(_ node: Node?, at path: ConfigurationPath, resolve: (String) -> String) -> MetricsPlace {
        guard let node else { return .standard }
        guard case .mapping = node else {
            return value(node, at: path, fallback: .standard, form: Self.form) { text in
                if let isServed = Bool(text) { return isServed ? .standard : .off }
                return Self.metricsAddress(text).map { .at($0) }
            }
        }
        let fields = fields(
            of: node, at: path,
            keys: [.required("address", example: "\":9478\""), .optional("token"), .optional("hosts")])
        guard let text = fields["address"] else { return .standard }
        let address = value(
            text, at: path.key("address"), fallback: MetricsPlace.standardAddress,
            form: "ADDRESS:PORT, [IPV6]:PORT or :PORT", parse: Self.metricsAddress)
        var access = MetricsAccess()
        if let token = fields["token"] {
            let file = self.text(token, at: path.key("token"))
            access.tokenFile = file.isEmpty ? nil : resolve(file)
        } else if !address.isLoopback {
            fail(
                path, "metrics at \(address) can be reached from elsewhere, and there is no token",
                "add token: FILE, or use 127.0.0.1:\(address.port)")
        }
        access.hosts = list(fields["hosts"], at: path.key("hosts")) { reader, node, path in
            reader.value(node, at: path, fallback: "", form: "a host's name without a port, such as edge-1.example") {
                let address = try? HostAddress($0 + ":1")
                return address?.host.isEmpty == false ? address?.host.lowercased() : nil
            }
        }
        return .at(address, access)
    }

    private static func metricsAddress(_ text: String) -> HostAddress? {
        (try? ListenAddress(text: text)).flatMap { _ in try? HostAddress(text) }
    }
}

extension HostAddress {
    /// Nothing but programs of this host reaches it.
    var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") }
}
