import DXSocket
import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXTunnel

/// What a watch tells, and what not.
@Suite struct NetworkWatchTests {
    private static let address = Endpoint(v4: 0xc000_0201, port: 0)

    private static func host(_ addresses: [Endpoint]) -> NetworkSnapshot {
        NetworkSnapshot(interfaces: [NetworkSnapshot.Interface(name: "eth0", index: 2, addresses: addresses)])
    }

    /// What the host is like, and what was told of it.
    private final class Scene {
        var host = NetworkWatchTests.host([NetworkWatchTests.address])
        var changes: [NetworkChange] = []
    }

    /// Where the kernel tells nothing, the network is looked at now and then; what is the same is not told.
    @Test func withoutTheKernelItLooksNowAndThen() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let changes = try await loop.submit {
            let scene = Scene()
            let watch = NetworkWatch(on: loop, hearsKernel: false, look: { scene.host }) { event in
                if case .changed(let change, _) = event { scene.changes.append(change) }
            }
            let now = MonotonicClock.now()
            watch.wakeupFired(now: now + .seconds(31))
            scene.host = Self.host([])
            watch.wakeupFired(now: now + .seconds(32))
            let before = scene.changes
            watch.wakeupFired(now: now + .seconds(62))
            watch.stop()
            scene.host = Self.host([Self.address])
            watch.wakeupFired(now: now + .seconds(120))
            return [before, scene.changes]
        }.get()
        try await group.shutdownGracefully()
        #expect(changes == [[], [NetworkChange(gone: [Self.address], new: [], routesChanged: false)]])
    }

    /// The kernel gives this process its notices, or the sandbox forbids it; either way it ends in good order.
    @Test func itCanBeStartedAndStoppedAgainAndAgain() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        for _ in 0..<20 {
            let watch = try await loop.submit {
                NIOLoopBound(NetworkWatch(on: loop) { _ in }, eventLoop: loop)
            }.get()
            try await loop.submit { watch.value.stop() }.get()
        }
        try await group.shutdownGracefully()
    }
}
