import DXWire

/// The header by which a target learns who its client is: version 2 of the PROXY protocol
/// (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt §2.2).
enum ProxyHeader {
    /// The header for a client.
    ///
    /// A program that embeds a gateway has no address, and is told as the gateway itself (LOCAL), as for a check of health; an
    /// application at a unix socket as one of which nothing is known (UNSPEC), since its path means nothing to the target.
    static func bytes(for client: StreamHead.Client) -> [UInt8] {
        TunnelMessageWriter.bytes(capacity: 16 + 36) { output in
            for byte in signature { output.write(byte) }
            switch client {
            case .program: writeEmpty(local, to: &output)
            case .unixSocket: writeEmpty(proxied, to: &output)
            case .tcp(let client, let entrance):
                // Both came from one socket; of two kinds nothing true could be said.
                guard client.family == entrance.family else { return writeEmpty(proxied, to: &output) }
                write(client, entrance, to: &output)
            }
        }
    }

    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
    /// Version 2 and a command.
    private static let local: UInt8 = 0x20
    private static let proxied: UInt8 = 0x21

    /// Nothing is said of addresses.
    @_lifetime(output: copy output)
    private static func writeEmpty(_ command: UInt8, to output: inout OutputRawSpan) {
        output.write(command)
        output.write(UInt8(0))
        output.write(UInt16(0))
    }

    @_lifetime(output: copy output)
    private static func write(_ client: Endpoint, _ entrance: Endpoint, to output: inout OutputRawSpan) {
        output.write(proxied)
        switch client.family {
        case .v4:
            // TCP over IPv4, and how many bytes follow.
            output.write(UInt8(0x11))
            output.write(UInt16(12))
            for address in [client, entrance] { output.write(UInt32(truncatingIfNeeded: address.low)) }
        case .v6:
            output.write(UInt8(0x21))
            output.write(UInt16(36))
            for address in [client, entrance] {
                output.write(address.high)
                output.write(address.low)
            }
        }
        output.write(client.port)
        output.write(entrance.port)
    }
}
