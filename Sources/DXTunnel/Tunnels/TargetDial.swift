import DXWire
import Glibc
import NIOCore
import NIOPosix

/// One connection being made to a target, for at most `limits.connect_timeout`.
///
/// A TCP target whose queue of connections is full lets the kernel try again by itself. A unix socket says so at once (EAGAIN): it is
/// tried again here, so that a burst of clients waits for a busy target as it would with TCP. Bound to the gateway's event loop.
final class TargetDial {
    private let core: GatewayCore
    private let target: TunnelAddress
    private let end: Instant
    /// Whether somebody still waits for it.
    private let isWanted: () -> Bool
    private let promise: EventLoopPromise<any Channel>
    private var pause = leastPause

    /// A hundredth of a second, then twice as long each time: a target that accepts at all has room soon.
    private static let leastPause = Interval.milliseconds(10)
    /// A fifth of a second: a thousand that wait cost 5,000 calls a second.
    private static let mostPause = Interval.milliseconds(200)

    /// Begins. The future fails with what the last attempt failed with.
    ///
    /// - Parameter isWanted: asked before each further attempt; after false the future fails.
    static func connect(
        _ core: GatewayCore, to target: TunnelAddress, isWanted: @escaping () -> Bool
    ) -> EventLoopFuture<any Channel> {
        let dial = TargetDial(core, target, isWanted)
        dial.attempt()
        return dial.promise.futureResult
    }

    private init(_ core: GatewayCore, _ target: TunnelAddress, _ isWanted: @escaping () -> Bool) {
        self.core = core
        self.target = target
        self.isWanted = isWanted
        end = core.currentTime() + .nanoseconds(core.connectTimeout.nanoseconds)
        promise = core.eventLoop.makePromise()
    }

    private func attempt() {
        let bootstrap = ClientBootstrap(group: core.eventLoop)
            .connectTimeout(core.connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: TCPBridge.messagesPerRead)
            .channelOption(.allowRemoteHalfClosure, value: true)
            // Which SwiftNIO leaves out for a unix socket.
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: TCPBridge.waterMark)
        switch target {
        case .tcp(let host, _): bootstrap.connect(to: host, at: core.gate).cascade(to: promise)
        case .unix(let path):
            let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
            bootstrap.connect(unixDomainSocketPath: path).whenComplete { bound.value.attempted($0) }
        }
    }

    private func attempted(_ result: Result<any Channel, any Error>) {
        guard case .failure(let error) = result, TargetConnection.isFull(error), isWanted(),
            core.currentTime() + pause < end
        else { return promise.completeWith(result) }
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        let next = core.eventLoop.scheduleTask(in: .nanoseconds(pause.nanoseconds)) {
            let dial = bound.value
            if dial.isWanted() { dial.attempt() } else { dial.promise.fail(error) }
        }
        // The event loop ends before it is due.
        next.futureResult.whenFailure { [promise] in promise.fail($0) }
        pause = min(pause * 2, Self.mostPause)
    }
}

@available(*, unavailable)
extension TargetDial: Sendable {}
