import CDXOpenSSL
import DXWire
import Glibc
import Testing

@testable import DXSecure

/// Our DTLS against the `openssl` program, without the veil, over UDP on the loopback: both ends, certificates checked
/// both ways, data both ways. Real time, bounded by a deadline; the test itself waits for events only.
@Suite(.serialized) struct InteropTests {
    @Test(arguments: [false, true]) func withServer(prefersChaCha: Bool) throws {
        let peer = try OpenSSLPeer(prefersChaCha: prefersChaCha)
        let port = try UDPSocket().port
        try peer.start([
            "s_server", "-dtls1_2", "-accept", "127.0.0.1:\(port)", "-Verify", "1", "-verify_return_error", "-quiet",
        ])
        let socket = try UDPSocket()
        socket.peer = UDPSocket.loopback(port: port)
        let connection = try DTLSConnection(peer.context, isInitiator: true, peer: peer.identity.gatewayID)
        #expect(connection.start() == .incomplete)
        try exchange(connection, socket, peer, cipher: prefersChaCha ? "CHACHA20" : "AES128-GCM")
    }

    @Test(arguments: [false, true]) func withClient(prefersChaCha: Bool) throws {
        let peer = try OpenSSLPeer(prefersChaCha: prefersChaCha)
        let socket = try UDPSocket()
        try peer.start([
            "s_client", "-dtls1_2", "-connect", "127.0.0.1:\(socket.port)", "-verify", "1", "-verify_return_error",
            "-quiet",
        ])
        let connection = try DTLSConnection(peer.context, isInitiator: false, peer: peer.identity.gatewayID)
        try exchange(connection, socket, peer, cipher: prefersChaCha ? "CHACHA20" : "AES128-GCM")
    }

    /// The program has a key that is not the expected one: neither side gets through.
    @Test func withAnotherKey() throws {
        let peer = try OpenSSLPeer(prefersChaCha: false)
        let socket = try UDPSocket()
        try peer.start(["s_client", "-dtls1_2", "-connect", "127.0.0.1:\(socket.port)", "-quiet"])
        let connection = try DTLSConnection(
            peer.context, isInitiator: false, peer: Identity.generate().gatewayID)
        #expect(throws: TestFailure.self) { try shakeHands(connection, socket) }
        #expect(connection.cipherName == nil || connection.receive([UInt8]()) != .complete)
    }

    private func shakeHands(_ connection: DTLSConnection, _ socket: UDPSocket) throws {
        var flight = connection.takeFlight()
        for _ in 0..<100 {
            flight.forEach(socket.send)
            guard let datagram = socket.receive(milliseconds: 150) else { continue }
            let outcome = connection.receive(datagram)
            let next = connection.takeFlight()
            if !next.isEmpty { flight = next }
            switch outcome {
            case .incomplete: break
            case .complete:
                next.forEach(socket.send)
                return
            case .failed(let failure): throw TestFailure("\(failure)")
            }
        }
        throw TestFailure("no handshake")
    }

    private func exchange(
        _ connection: DTLSConnection, _ socket: UDPSocket, _ peer: OpenSSLPeer, cipher: String
    ) throws {
        try shakeHands(connection, socket)
        #expect(connection.cipherName?.contains(cipher) == true)
        let cipher = try connection.takeRecordCipher().orFail("no keys")
        // To the program: a line comes out of it.
        for number in 0..<3 {
            let line = Array("line \(number) to openssl\n".utf8)
            socket.send(cipher.record(line, number: cipher.firstNumber + UInt64(number)))
            #expect(try peer.readLine() == "line \(number) to openssl")
        }
        // From the program: a line goes in.
        for number in 0..<3 {
            try peer.writeLine("line \(number) from openssl")
            // Parts of the handshake that the program has sent again come first.
            var plain: [UInt8]?
            while plain == nil {
                plain = cipher.plaintext(ofRecord: try socket.receive(milliseconds: 60_000).orFail("no answer"))
            }
            #expect(plain.map { String(decoding: $0, as: UTF8.self) } == "line \(number) from openssl\n")
        }
    }
}

/// A UDP socket on 127.0.0.1 that talks to one peer, the first it hears from.
final class UDPSocket {
    private let descriptor: Int32
    let port: UInt16
    var peer: sockaddr_in?

    static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw TestFailure("socket: \(errno)") }
        var address = Self.loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(descriptor, pointer, length) == 0 && getsockname(descriptor, pointer, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isBound else { throw TestFailure("bind: \(errno)") }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) {
        guard var peer else { return }
        _ = unsafe withUnsafePointer(to: &peer) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe sendto(descriptor, bytes, bytes.count, 0, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// The next datagram, or nil when none came in time.
    func receive(milliseconds: Int32) -> [UInt8]? {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&request, 1, milliseconds) == 1 else { return nil }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var received = -1
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 2_048) { memory, count in
            received = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    unsafe recvfrom(descriptor, memory.baseAddress, 2_048, 0, pointer, &length)
                }
            }
            count = max(received, 0)
        }
        guard received >= 0 else { return nil }
        if peer == nil { peer = address }
        return bytes
    }
}
