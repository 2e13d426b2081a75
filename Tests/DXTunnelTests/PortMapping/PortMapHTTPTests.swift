import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXMatch
@testable import DXTunnel

/// The HTTP requests of port mapping against servers that answer well, badly and not at all.
@Suite struct PortMapHTTPTests {
    private static func request(_ server: TCPServer, body: [UInt8] = []) -> PortMapperRequest {
        PortMapperRequest(
            number: 7, server: Endpoint(v4: 0x7f00_0001, port: UInt16(server.port)),
            method: body.isEmpty ? "GET" : "POST", path: "/ctl",
            headers: [.init(name: "SOAPAction", value: "\"x#y\"")], body: body)
    }

    /// Makes a request of a server that, after the request's head, sends `answer` and closes; what came and what was asked.
    private func exchange(
        _ answer: [UInt8], body: [UInt8] = []
    ) async throws -> (answer: PortMapperAnswer, asked: String) {
        let server = try TCPServer()
        defer { server.close() }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let request = Self.request(server, body: body)
        let promise = loop.makePromise(of: PortMapperAnswer.self)
        let http = try await loop.submit {
            let http = PortMapHTTP(
                on: loop, local: Endpoint(v4: 0x7f00_0001, port: 0), patience: .hours(1))
            http.make(request) { promise.succeed($0) }
            return NIOLoopBound(http, eventLoop: loop)
        }.get()
        let connection = try await server.accept()
        var asked: [UInt8] = []
        while !String(decoding: asked, as: UTF8.self).contains("\r\n\r\n" + String(decoding: body, as: UTF8.self)) {
            guard case .bytes(let bytes) = try await connection.receive() else { break }
            asked += bytes
        }
        // The other end closes as soon as it has seen enough.
        try? await connection.send(answer)
        connection.finish()
        let said = try await promise.futureResult.get()
        try await loop.submit { http.value.close() }.get()
        return (said, String(decoding: asked, as: UTF8.self))
    }

    @Test func aRequestIsWhatRoutersUnderstand() async throws {
        let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".utf8)
        let (said, asked) = try await exchange(answer, body: Array("<x/>".utf8))
        #expect(said == .answered(status: 200, body: Array("abc".utf8)))
        let lines = asked.split(separator: "\r\n").map(String.init)
        #expect(lines.first == "POST /ctl HTTP/1.1")
        #expect(lines.contains { $0.hasPrefix("Host: 127.0.0.1:") })
        #expect(lines.contains("Connection: close") && lines.contains("Content-Length: 4"))
        #expect(lines.contains("SOAPAction: \"x#y\"") && lines.last == "<x/>")
    }

    @Test(arguments: [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 500 No\r\n\r\nabc",
        "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ])
    func answersOfEachLength(text: String) async throws {
        #expect(try await exchange(Array(text.utf8)).answer == .answered(status: 500, body: Array("abc".utf8)))
    }

    @Test(arguments: [
        "", "no HTTP at all\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc", "HTTP/9.9 200\r\n",
    ])
    func whatIsNoAnswerHasFailed(text: String) async throws {
        #expect(try await exchange(Array(text.utf8)).answer == .failed)
    }

    @Test func anAnswerThatIsTooLargeHasFailed() async throws {
        let limit = PortMapperRequest.maximumAnswer
        let head = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
        let most = try await exchange(head + [UInt8](repeating: 0x61, count: limit)).answer
        #expect(most == .answered(status: 200, body: [UInt8](repeating: 0x61, count: limit)))
        #expect(try await exchange(head + [UInt8](repeating: 0x61, count: limit + 1)).answer == .failed)
    }

    @Test func nobodyThereHasFailed() async throws {
        let server = try TCPServer()
        let request = Self.request(server)
        server.close()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: PortMapperAnswer.self)
        let http = try await loop.submit {
            let http = PortMapHTTP(
                on: loop, local: Endpoint(v4: 0x7f00_0001, port: 0), patience: .hours(1))
            http.make(request) { promise.succeed($0) }
            return NIOLoopBound(http, eventLoop: loop)
        }.get()
        #expect(try await promise.futureResult.get() == .failed)
        try await loop.submit { http.value.close() }.get()
    }
}
