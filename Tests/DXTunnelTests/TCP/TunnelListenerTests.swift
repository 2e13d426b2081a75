import DXTestFiles
import DXWire
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import DXTunnel

@Suite struct TunnelListenerTests {
    /// More than the 128 that SwiftNIO lets wait for a socket that it is given.
    private static let burst = 300

    /// Clients that come while the gateway is busy are connected at once, all of them: beyond the queue Linux drops what comes, and
    /// resets some that it had let in by a SYN cookie.
    @Test(arguments: [false, true]) func aBurstWaitsToBeAccepted(isUnix: Bool) async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("burst.sock")
        let place = ListenerPlace(
            address: isUnix ? .unix(path: path) : .tcp(Endpoint(v4: 0x7f00_0001, port: 0)), text: "the listener")
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let eventLoop = group.next()
        let accepted = NIOLockedValueBox(0)
        let listener = try await eventLoop.submit {
            let listener = try TunnelListener(place)
            listener.open(
                on: eventLoop,
                accepted: { channel in
                    accepted.withLockedValue { $0 += 1 }
                    return channel.eventLoop.makeSucceededVoidFuture()
                },
                paused: { Issue.record("paused: \($0)") }, failed: { Issue.record("failed: \($0)") })
            return NIOLoopBound(listener, eventLoop: eventLoop)
        }.get()
        let port = try await Polling.wait(for: "the listener") {
            try await eventLoop.submit {
                guard listener.value.isOpen else { return Int?.none }
                guard case .tcp(let endpoint) = listener.value.local else { return 0 }
                return Int(endpoint.port)
            }.get()
        }

        // Nobody is accepted before all are there.
        let latch = ConditionLock(value: false)
        eventLoop.execute {
            latch.lock(whenValue: true)
            latch.unlock()
        }
        do {
            defer {
                latch.lock()
                latch.unlock(withValue: true)
            }
            let clients = try (0..<Self.burst).map { _ in try Self.connect(to: port, path: isUnix ? path : nil) }
            try await Polling.wait(until: "all are connected") { clients.allSatisfy(Self.isConnected) }
            latch.lock()
            latch.unlock(withValue: true)
            try await Polling.wait(until: "all are accepted") { accepted.withLockedValue { $0 } == Self.burst }
        }
        try await eventLoop.submit { listener.value.release() }.get()
        try await group.shutdownGracefully()
    }

    /// Begins a connection. A unix socket whose queue is full refuses it.
    private static func connect(to port: Int, path: String?) throws -> SocketDescriptor {
        let client: SocketDescriptor
        let result: CInt
        if let path {
            client = try SocketDescriptor(unixType: SOCK_STREAM)
            result = unsafe SocketDescriptor.withPath(path) { unsafe Glibc.connect(client.number, $0, $1) }
        } else {
            client = try SocketDescriptor(isIPv6: false, type: SOCK_STREAM)
            result = unsafe SocketDescriptor.withLoopback(port: port, isIPv6: false) {
                unsafe Glibc.connect(client.number, $0, $1)
            }
        }
        guard result == 0 || errno == EINPROGRESS else { throw SocketFailure(code: errno) }
        return client
    }

    private static func isConnected(_ client: SocketDescriptor) -> Bool {
        var entry = pollfd(fd: client.number, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&entry, 1, 0) == 1 && entry.revents == Int16(POLLOUT)
    }
}
