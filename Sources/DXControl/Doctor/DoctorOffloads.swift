import Glibc
import NIOCore
import NIOPosix

/// Asks the kernel and tries ports, with sockets that are closed again at once.
enum DoctorOffloads {
    /// Whether UDP sockets of this kernel send and take many datagrams at once.
    @Sendable static func probe() -> (gso: Bool, gro: Bool) {
        (System.supportsUDPSegmentationOffload, System.supportsUDPReceiveOffload)
    }
}

/// A try whether a port can be had.
enum DoctorPort {
    /// Why UDP cannot be bound there; nil when it can. An empty host is all addresses, of both families.
    static func udpProblem(host: String, port: UInt16) async -> String? {
        for host in hosts(host) {
            let problem = await problem(host) {
                try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(
                    host: host, port: Int(port)
                ).get()
            }
            if let problem { return problem }
        }
        return nil
    }

    /// The same for TCP.
    static func tcpProblem(host: String, port: UInt16) async -> String? {
        for host in hosts(host) {
            let problem = await problem(host) {
                try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    // Connections of before that still time out are no reason.
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: host, port: Int(port)).get()
            }
            if let problem { return problem }
        }
        return nil
    }

    private static func hosts(_ host: String) -> [String] { host.isEmpty ? ["0.0.0.0", "::"] : [host] }

    private static func problem(_ host: String, _ bind: () async throws -> any Channel) async -> String? {
        do {
            try await bind().close().get()
            return nil
        } catch let error as IOError {
            // A host without IPv6 has nothing to bind there, and nothing to miss.
            if host == "::", error.errnoCode == EAFNOSUPPORT || error.errnoCode == EADDRNOTAVAIL { return nil }
            return unsafe String(cString: strerror(error.errnoCode))
        } catch { return "\(error)" }
    }
}
