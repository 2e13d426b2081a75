internal import CDXSystem
public import DXWire
import Glibc

/// A bound UDP socket of another start of this program, which goes on with it (`docs/restart.md`). What has come for it and was not read yet
/// is still in it. Whoever has this value has to close the descriptor, or hand it to `UDPEndpoint`.
public struct InheritedSocket: Hashable, Sendable {
    /// Of the sockets of a family at the port which one: 0 sends, the others only receive (`SocketConfiguration.stripeCount`).
    public let stripe: Int
    /// The descriptor.
    public let descriptor: CInt

    /// A socket with that descriptor.
    public init(stripe: Int, descriptor: CInt) {
        self.stripe = stripe
        self.descriptor = descriptor
    }

    /// The address and port that it is bound to; nil when the descriptor is none of a UDP socket over IP.
    public var local: Endpoint? {
        var name = unsafe dx_message()
        guard unsafe dx_udp_local(descriptor, &name) == 0 else { return nil }
        guard unsafe name.is_v6 else {
            return unsafe Endpoint(v4: UInt32(truncatingIfNeeded: name.low), port: name.port)
        }
        return unsafe Endpoint(v6High: name.high, low: name.low, scope: name.scope, port: name.port)
    }
}

extension OpenSocket {
    /// Goes on with a socket of another start. Takes the descriptor, and closes it when this throws.
    init(inheriting inherited: InheritedSocket, configuration: SocketConfiguration, stripeCount: Int) throws(BindError)
    {
        guard let local = inherited.local else {
            _ = Glibc.close(inherited.descriptor)
            throw BindError(Endpoint(v4: 0, port: 0), EBADF)
        }
        let descriptor = inherited.descriptor
        var duplicate: CInt = -1
        if inherited.stripe == 0 {
            duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            guard duplicate >= 0 else {
                let code = errno
                _ = Glibc.close(descriptor)
                throw BindError(local, code)
            }
        }
        // Others may be wanted now.
        let receive = dx_udp_receive_buffer(descriptor, Int32(clamping: configuration.receiveBufferByteCount))
        let send = dx_udp_send_buffer(descriptor, Int32(clamping: configuration.sendBufferByteCount))
        self.init(
            descriptor: descriptor, sendDescriptor: duplicate, stripeCount: stripeCount,
            capabilities: SocketCapabilities(
                local: local,
                segmentationOffload: configuration.usesSegmentationOffload && dx_udp_can_segment(descriptor),
                receiveOffload: false, ecn: false, packetInfo: false,
                steering: configuration.sharingLoopCount > 1 || stripeCount > 1,
                receiveBufferByteCount: Int(receive), sendBufferByteCount: Int(send)))
    }
}
