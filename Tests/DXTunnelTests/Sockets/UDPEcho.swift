import Dispatch
import Foundation
import Glibc
import NIOConcurrencyHelpers

/// A UDP server on loopback that sends everything back, and remembers from which ports something came.
final class UDPEcho: Sendable {
    private let socket: UDPSocket
    private let seen = NIOLockedValueBox<[(port: Int, bytes: [UInt8])]>([])
    private let isStopped = NIOLockedValueBox(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// A server at a random port, or at this one.
    ///
    /// - Parameter answer: what it says to what; nothing for nil.
    init(port: Int = 0, answer: @escaping @Sendable ([UInt8]) -> [UInt8]? = { $0 }) throws {
        socket = try UDPSocket(port: port)
        let (socket, seen, isStopped, hasEnded) = (socket, seen, isStopped, hasEnded)
        let thread = Thread {
            while !isStopped.withLockedValue({ $0 }) {
                var wanted = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
                // Looks up now and then, whether it is to stop.
                guard unsafe poll(&wanted, 1, 20) > 0 else { continue }
                while let (bytes, port) = socket.receiveNow() {
                    seen.withLockedValue { $0.append((port, bytes)) }
                    if let answer = answer(bytes) { socket.send(answer, to: port) }
                }
            }
            hasEnded.signal()
        }
        thread.start()
    }

    deinit { stop() }

    var port: Int { socket.port }
    /// From which ports datagrams came, each once.
    var sources: Set<Int> { Set(seen.withLockedValue { $0.map(\.port) }) }
    /// All that came.
    var datagrams: [[UInt8]] { seen.withLockedValue { $0.map(\.bytes) } }

    func stop() {
        let wasStopped = isStopped.withLockedValue { isStopped in
            defer { isStopped = true }
            return isStopped
        }
        guard !wasStopped else { return }
        // Nobody may wait at a descriptor that another socket could get.
        hasEnded.wait()
        socket.close()
    }
}

extension UDPSocket {
    /// Sends a datagram until this answer to it has come: datagrams may be lost, and are asked for again.
    func ask(_ bytes: [UInt8], at port: Int, expecting answer: [UInt8]? = nil) async throws {
        let wanted = answer ?? bytes
        var attempt = 0
        try await Polling.wait(until: "the answer to \(bytes.count) bytes") {
            if attempt % 500 == 0 { send(bytes, to: port) }
            attempt += 1
            while let (got, _) = receiveNow() { if got == wanted { return true } }
            return false
        }
    }
}
