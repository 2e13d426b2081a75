import Glibc
import NIOConcurrencyHelpers

import class Foundation.Thread

/// Carries datagrams between one caller and a gateway, as a NAT does: the gateway sees the forwarder's own port, and
/// sees another one after `rebind`. On a thread of its own.
final class UDPForwarder: Sendable {
    private struct State {
        var outside: UDPSocket
        var caller: Int?
        var isCut = false
        var isStopped = false
        var captured: [[UInt8]]?
        var forwarded = 0
    }

    private let inside: UDPSocket
    private let target: Int
    private let state: NIOLockedValueBox<State>

    /// Where callers send to.
    var port: Int { inside.port }

    /// Carries to a UDP port of this host.
    init(to target: Int) throws {
        inside = try UDPSocket()
        self.target = target
        state = NIOLockedValueBox(State(outside: try UDPSocket()))
        Thread.detachNewThread { [self] in run() }
    }

    /// The gateway sees the caller at another port from now on; the old one answers no more.
    func rebind() throws {
        let fresh = try UDPSocket()
        state.withLockedValue { $0.outside = fresh }
    }

    /// Loses everything, or no more.
    func cut(_ isCut: Bool) { state.withLockedValue { $0.isCut = isCut } }

    /// Keeps a copy of what goes to the gateway from now on.
    func startCapturing() { state.withLockedValue { $0.captured = [] } }

    /// What was captured.
    var captured: [[UInt8]] { state.withLockedValue { $0.captured ?? [] } }

    /// Datagrams carried, both ways.
    var forwarded: Int { state.withLockedValue { $0.forwarded } }

    /// The port that the gateway sees.
    var outsidePort: Int { state.withLockedValue { $0.outside.port } }

    func stop() { state.withLockedValue { $0.isStopped = true } }

    private func run() {
        while true {
            let (outside, isStopped) = state.withLockedValue { ($0.outside, $0.isStopped) }
            if isStopped { return }
            var entries = [
                pollfd(fd: inside.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: outside.number, events: Int16(POLLIN), revents: 0),
            ]
            // Wakes up now and then to see whether the port was changed.
            guard unsafe poll(&entries, 2, 5) > 0 else { continue }
            for _ in 0..<64 {
                let isBusy = carryIn(outside)
                guard carryOut(outside) || isBusy else { break }
            }
        }
    }

    private func carryIn(_ outside: UDPSocket) -> Bool {
        guard let datagram = inside.receiveNow() else { return false }
        let isCut = state.withLockedValue { state in
            state.caller = datagram.port
            state.forwarded += 1
            state.captured?.append(datagram.bytes)
            return state.isCut
        }
        if !isCut { outside.send(datagram.bytes, to: target) }
        return true
    }

    private func carryOut(_ outside: UDPSocket) -> Bool {
        guard let datagram = outside.receiveNow() else { return false }
        let caller = state.withLockedValue { state in
            state.forwarded += 1
            return state.isCut ? nil : state.caller
        }
        if let caller { inside.send(datagram.bytes, to: caller) }
        return true
    }
}
