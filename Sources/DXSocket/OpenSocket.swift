internal import CDXSystem
internal import DXWire
import Glibc

/// A UDP socket that is open and bound, with DF set and buffers asked for, and that nobody reads yet.
struct OpenSocket {
    /// Tries to find a random port that is free in both families. Each try fails only where somebody holds just that
    /// port in the other family: a thousand such sockets make one failure in 28, and 16 in a row one in 10^23.
    private static let portTries = 16

    /// The descriptor to read from; whoever has this value has to close it.
    let descriptor: CInt
    /// A duplicate to send on, see `KernelSendSystem`; to be closed as well. -1 for one that only receives.
    let sendDescriptor: CInt
    /// How many sockets of this event loop are to be at the address, this one among them.
    let stripeCount: Int
    /// What the kernel granted. Receive-side features are filled in by whoever reads.
    var capabilities: SocketCapabilities

    /// The address family.
    var family: Endpoint.Family { capabilities.local.family }

    /// The sockets of an endpoint.
    struct Set {
        /// IPv4.
        var v4: OpenSocket?
        /// IPv6.
        var v6: OpenSocket?
        /// What was wanted and does not exist here.
        var unavailable: Endpoint.Family?

        /// Closes both.
        func close() {
            v4?.close()
            v6?.close()
        }
    }

    /// Opens one socket bound to `local`; port 0 takes a random one.
    ///
    /// - Parameters:
    ///   - joins: others of this gateway are at that address and port, and it joins them. The first one does not, so
    ///     that a port which somebody else has is an error, although ours is shared then.
    ///   - isFurther: it shares the port with one that sends, and only receives.
    init(
        local: Endpoint, configuration: SocketConfiguration, joins: Bool = false, isFurther: Bool = false
    ) throws(BindError) {
        let descriptor = dx_udp_open(local.family == .v6)
        guard descriptor >= 0 else { throw BindError(local, -descriptor) }
        let buffers = (
            receive: dx_udp_receive_buffer(descriptor, Int32(clamping: configuration.receiveBufferByteCount)),
            send: dx_udp_send_buffer(descriptor, Int32(clamping: configuration.sendBufferByteCount))
        )
        let stripes = configuration.stripes(receiveBufferByteCount: Int(buffers.receive))
        let loops = configuration.sharingLoopCount
        precondition((1...256).contains(loops), "the first byte names one of at most 256 event loops")
        let isShared = loops > 1 || stripes > 1
        var result = isShared && joins ? dx_udp_share(descriptor) : 0
        if result == 0 { result = Self.bind(descriptor, to: local) }
        if isShared && !joins && result >= 0 {
            let code = dx_udp_share(descriptor)
            if code < 0 { result = code }
        }
        var duplicate: CInt = -1
        if result >= 0 && !isFurther {
            duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            if duplicate < 0 { result = -errno }
        }
        guard result >= 0 else {
            _ = Glibc.close(descriptor)
            throw BindError(local, -result)
        }
        // Each that joins sets the same. A kernel that refuses chooses by address, which is slower
        // but works, as datagrams that come to the wrong loop are handed over.
        let isSteered = isShared && joins && dx_udp_steer(descriptor, UInt32(loops), UInt32(stripes)) == 0
        self.descriptor = descriptor
        self.sendDescriptor = duplicate
        self.stripeCount = stripes
        self.capabilities = SocketCapabilities(
            local: local.withPort(UInt16(truncatingIfNeeded: result)),
            segmentationOffload: configuration.usesSegmentationOffload && dx_udp_can_segment(descriptor),
            receiveOffload: false, ecn: false, packetInfo: false, steering: isSteered,
            receiveBufferByteCount: Int(buffers.receive), sendBufferByteCount: Int(buffers.send))
    }

    /// A socket that is there.
    init(descriptor: CInt, sendDescriptor: CInt, stripeCount: Int, capabilities: SocketCapabilities) {
        self.descriptor = descriptor
        self.sendDescriptor = sendDescriptor
        self.stripeCount = stripeCount
        self.capabilities = capabilities
    }

    /// Binds and gives the port, or a negative errno.
    private static func bind(_ descriptor: CInt, to local: Endpoint) -> CInt {
        var name = unsafe dx_message()
        unsafe name.high = local.high
        unsafe name.low = local.low
        unsafe name.scope = local.scope
        unsafe name.port = local.port
        unsafe name.is_v6 = local.family == .v6
        let result = unsafe dx_udp_bind(descriptor, &name)
        return result == 0 ? dx_udp_port(descriptor, local.family == .v6) : result
    }

    /// Closes it, when nobody took it over.
    func close() {
        _ = Glibc.close(descriptor)
        if sendDescriptor >= 0 { _ = Glibc.close(sendDescriptor) }
    }

    /// Opens the sockets that `listen` asks for; `open` opens one, and stands here so that tests can fail it.
    static func open(
        _ listen: ListenAddress, using open: (Endpoint) throws(BindError) -> OpenSocket
    ) throws(BindError) -> Set {
        switch listen.host {
        case .address(let local):
            let socket = try open(local)
            return socket.family == .v4 ? Set(v4: socket) : Set(v6: socket)
        case .any:
            var attempt = 1
            while true {
                do {
                    return try openBoth(listen.port, using: open)
                } catch {
                    // A random port may be free in IPv4 and taken in IPv6: take another one.
                    guard listen.port == 0, error.reason == .portInUse, attempt < portTries else { throw error }
                    attempt += 1
                }
            }
        }
    }

    /// All addresses of both families at one port; a family that does not exist here is left out.
    private static func openBoth(
        _ port: UInt16, using open: (Endpoint) throws(BindError) -> OpenSocket
    ) throws(BindError) -> Set {
        var set = Set()
        do {
            set.v4 = try open(Endpoint(v4: 0, port: port))
        } catch {
            guard error.reason == .familyUnavailable else { throw error }
            set.unavailable = .v4
        }
        let shared = set.v4?.capabilities.local.port ?? port
        do {
            set.v6 = try open(Endpoint(v6High: 0, low: 0, port: shared))
        } catch {
            // With an unspecified address, "not available" can only mean that the whole family is not.
            let isMissing = error.reason == .familyUnavailable || error.reason == .addressNotAvailable
            guard isMissing, set.v4 != nil else {
                set.close()
                throw error
            }
            set.unavailable = .v6
        }
        return set
    }
}
