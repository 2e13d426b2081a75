import NIOCore
import NIOPosix

/// A UDP and a TCP port of the loopback that somebody has.
struct TakenPorts {
    /// The UDP port.
    let udp: Int
    /// The TCP port.
    let tcp: Int
    private let channels: [any Channel]

    init() throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let datagrams = try DatagramBootstrap(group: group).bind(host: "127.0.0.1", port: 0).wait()
        let connections = try ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).wait()
        channels = [datagrams, connections]
        udp = datagrams.localAddress?.port ?? 0
        tcp = connections.localAddress?.port ?? 0
    }

    /// Gives them back.
    func close() { for channel in channels { channel.close(promise: nil) } }
}
