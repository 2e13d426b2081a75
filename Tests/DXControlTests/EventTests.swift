import DXTunnel
import Foundation
import NIOCore
import Testing

@testable import DXControl

@Suite struct EventTests {
    private static func record(_ json: String) throws -> GatewayEventRecord {
        try sample(GatewayEventRecord.self, json)
    }

    /// The layout is a promise to programs.
    private static let up =
        #"{"address":"192.0.2.1:7700","event":"peer_up","id":"a-1","path":"direct","peer":"cloud-1","schema":1,"#
        + #""time":"2027-01-31T12:00:00.000Z"}"#

    @Test func isSentAsOneLineOfData() throws {
        #expect(try EventRoutes.frame(Self.record(Self.up)) == "id: a-1\nevent: peer_up\ndata: \(Self.up)\n\n")
        let lost = GatewayEventRecord(lost: 7, time: Timestamp(unixMilliseconds: 0))
        #expect(
            try EventRoutes.frame(lost)
                == "event: lost\ndata: {\"count\":7,\"event\":\"lost\",\"schema\":1,\"time\":\"1970-01-01T00:00:00.000Z\"}\n\n"
        )
    }

    /// However the bytes are cut, the same events come out; comments, and fields that are none of ours, are passed over.
    @Test(arguments: [1, 7, 1_000]) func isReadAsItWasSent(_ size: Int) throws {
        let frame = try EventRoutes.frame(Self.record(Self.up))
        let text = ": \n\n\(frame): \n\nretry: 10\n\(frame)id: a-3\ndata: unfinished"
        var lines = EventStreamLines()
        var found: [String] = []
        var rest = ByteBuffer(string: text)
        while let part = rest.readSlice(length: min(size, max(1, rest.readableBytes))) {
            found += try lines.append(part, path: "x")
        }
        #expect(found == [Self.up, Self.up])
    }

    @Test func aLineWithoutEndIsRefused() throws {
        var lines = EventStreamLines()
        let part = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 19)
        _ = try lines.append(part, path: "x")
        _ = try lines.append(part, path: "x")
        #expect(throws: ControlClientError.self) { try lines.append(part, path: "x") }
    }

    @Test(arguments: [
        (up, "cloud-1 is connected at 192.0.2.1:7700 (direct)"),
        (#""event":"peer_down","peer":"b","reason":"the peer went silent""#, "b is disconnected: the peer went silent"),
        (
            #""event":"peer_moved","peer":"b","from":"1.2.3.4:5","address":"6.7.8.9:5""#,
            "b moved from 1.2.3.4:5 to 6.7.8.9:5"
        ),
        (#""event":"peer_forwarded","peer":"b","through":"c""#, "b is reached through c"),
        (#""event":"path_down","peer":"b","address":"6.7.8.9:5""#, "the path to b at 6.7.8.9:5 does not answer"),
        (
            #""event":"target_health","tunnel":"web","state":"down","reason":"refused""#,
            "tunnel web: the target is down: refused"
        ),
        (
            #""event":"destination_health","tunnel":"web","destination":"b","state":"down""#,
            "tunnel web: b is of no use"
        ),
        (#""event":"configuration_changed","revision":17"#, "the configuration is another one now, revision 17"),
        (#""event":"draining","state":"on""#, "draining: new connections go elsewhere"),
        (
            #""event":"connections_refused","tunnel":"","reason":"refused","count":5"#,
            "other tunnels: 5 connections refused: refused"
        ),
        (
            #""event":"warning","message":"memory is full","details":{"limit":"2","held":"1"}"#,
            "memory is full held=1 limit=2"
        ),
        (#""event":"lost","count":5"#, "5 events are missing here"),
        (#""event":"lost""#, "the gateway was started anew"),
    ])
    func inWords(_ json: String, _ words: String) throws {
        let whole = json.hasPrefix("{") ? json : #"{"schema":1,"id":"a-1","time":"2027-01-31T12:00:00.000Z",\#(json)}"#
        #expect(EventText(try Self.record(whole)).description == "2027-01-31T12:00:00.000Z  \(words)")
    }
}
