public import DXTunnel
import FoundationEssentials
import NIOCore
import NIOHTTP1

extension ControlClient {
    /// Follows a gateway's events: those that are kept, then, if wanted, what happens, until the gateway stops.
    ///
    /// - Parameters:
    ///   - follow: also what happens from now on.
    ///   - last: only what comes after the event of this id.
    ///   - event: takes each, with the JSON text as it came.
    /// - Throws: `ControlClientError`; `ended` when the gateway ended without the end of the events, and what `event` throws.
    public func events(
        follow: Bool, after last: String? = nil, event: (GatewayEventRecord, String) async throws -> Void
    ) async throws {
        var lines = EventStreamLines()
        try await stream("/v1/events?follow=\(follow)", since: last) { bytes in
            for text in try lines.append(bytes, path: path) {
                // An event of a newer version may be of a kind that this one does not know.
                guard let record = try? JSONDecoder().decode(GatewayEventRecord.self, from: Data(text.utf8)) else {
                    continue
                }
                try await event(record, text)
            }
        }
    }

    /// Gives `part` an answer that goes on, as it comes, until it ends or `part` throws. Throws what `part` throws; else `ControlClientError`,
    /// `ended` when the gateway ended in the middle.
    func stream(
        _ uri: String, since last: String? = nil, part: (ByteBuffer) async throws -> Void
    ) async throws {
        let connection = try await connect()
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: uri)
        head.headers.add(name: "host", value: "localhost")
        head.headers.add(name: "connection", value: "close")
        if let last { head.headers.add(name: "last-event-id", value: last) }
        let request = head
        var failure: (any Error)?
        do {
            try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(contentsOf: [.head(request), .end(nil)])
                try await receive(inbound) { bytes in
                    do { try await part(bytes) } catch {
                        failure = error
                        throw error
                    }
                }
            }
        } catch {
            if let failure { throw failure }
            switch error {
            case ControlClientError.broken: throw ControlClientError.ended(path: path)
            case is ControlClientError, is CancellationError: throw error
            // The connection ended amid a part, or was reset.
            default: throw ControlClientError.ended(path: path)
            }
        }
    }
}

/// Takes server-sent events apart (HTML Living Standard §9.2.6) as far as this API writes them: one line of data for each.
struct EventStreamLines {
    private var rest: [UInt8] = []

    /// An event is some hundred bytes.
    private static let longest = 1 << 20

    /// The data of the events that are whole now.
    mutating func append(_ bytes: ByteBuffer, path: String) throws(ControlClientError) -> [String] {
        var found: [String] = []
        for byte in bytes.readableBytesView {
            guard byte == UInt8(ascii: "\n") else {
                guard rest.count < Self.longest else { throw .malformed(path: path, reason: "a line without an end") }
                rest.append(byte)
                continue
            }
            let line = String(decoding: rest, as: UTF8.self)
            rest.removeAll(keepingCapacity: true)
            if line.hasPrefix("data: ") { found.append(String(line.dropFirst(6))) }
        }
        return found
    }
}
