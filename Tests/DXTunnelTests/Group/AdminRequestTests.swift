import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Requests between admins and their answers, as bytes.
@Suite struct AdminRequestTests {
    private func hex(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count, by: 2).map { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
        }
    }

    private var requests: [AdminRequest] {
        [
            .invite(InviteRequest()),
            .invite(
                InviteRequest(
                    name: "edge-1", labels: ["kind=plc", "site=north"], role: "forwarder", ttlSeconds: 600, count: 3,
                    gateway: "abc", replaces: "edge-9")),
            .list, .revoke(nil), .revoke("0f3c2a9be41d7755"),
        ]
    }

    /// Whatever a program asks for is a request, which the other admin refuses.
    @Test func numbersThatMakeNoSenseAreSaid() throws {
        for number in [Int.max, 1 << 62, -1, Int.min] {
            let request = AdminRequest.invite(InviteRequest(ttlSeconds: number, count: number))
            guard case .invite(let said) = try AdminRequest(request.encoded) else {
                Issue.record("no invitation")
                continue
            }
            #expect(said.ttlSeconds == min(max(number, 0), 1 << 62 - 1) && said.count == said.ttlSeconds)
        }
    }

    private var answers: [AdminAnswer] {
        [
            .invitations([]),
            .invitations([
                Invitation(
                    id: "0f3c2a9be41d7755", token: "dxjoin1:x", name: "edge-1", labels: ["kind=plc", "site=north"],
                    expires: Timestamp(unixMilliseconds: 1_700_000_000_000),
                    leftOut: ["match.example:3478", "192.0.2.7:3478"]),
                Invitation(id: "1", labels: [], expires: Timestamp(unixMilliseconds: 0), usedBy: "abc"),
            ]),
            .revoked(7), .refused(GroupError(.notFound, "there is none", "look")),
        ]
    }

    @Test func theyAreReadAsTheyWereWritten() throws {
        for request in requests { #expect(try AdminRequest(request.encoded) == request) }
        for answer in answers { #expect(try AdminAnswer(answer.encoded) == answer) }
        // Those of a newer version.
        #expect(try AdminRequest([1, 1, 9]) == nil)
        #expect(try AdminAnswer([1, 3, 110, 101, 119]) == .refused(GroupError(.failed, "", "")))
    }

    /// Whose `at` it is, is not sent: it would be asked again there.
    @Test func whoIsAskedIsNotSaid() throws {
        let request = AdminRequest.invite(InviteRequest(name: "edge-1", at: "hq-2"))
        #expect(try AdminRequest(request.encoded) == .invite(InviteRequest(name: "edge-1")))
    }

    /// docs/group.md §8.1, made by hand.
    @Test func vectors() throws {
        let invite = AdminRequest.invite(InviteRequest(name: "edge-1", labels: ["kind=plc"], ttlSeconds: 600))
        #expect(invite.encoded == hex("0101010206656467652d3103086b696e643d706c6305024258"))
        let message = GroupMessage.request(0x0102_0304_0506_0708, invite.encoded)
        #expect(message.encoded == hex("0d0102030405060708") + invite.encoded)
        let refused = AdminAnswer.refused(GroupError(.notAdmin, "no", "x"))
        #expect(
            GroupMessage.answer(1, refused.encoded).encoded
                == hex("0e000000000000000101096e6f745f61646d696e02026e6f030178"))
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func randomBytesAreReadOrRefused(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let all = requests.map(\.encoded) + answers.map(\.encoded)
        for _ in 0..<500 {
            var bytes = all[Int(random.below(UInt64(all.count)))]
            for _ in 0...random.below(3) where !bytes.isEmpty {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if let request = try? AdminRequest(bytes) { #expect(try AdminRequest(request.encoded) == request) }
            if let answer = try? AdminAnswer(bytes) { #expect(try AdminAnswer(answer.encoded) == answer) }
        }
    }

    @Test func longOnesAreMalformed() throws {
        let body = [UInt8](repeating: 0, count: AdminRequest.longest)
        let group = GroupID(rootKey: try TestKeys.identity(0).publicKey)
        func read(_ bytes: [UInt8]) throws -> GroupMessage {
            var reader = unsafe ByteReader(bytes.span.bytes)
            return try GroupMessage(reading: &reader, group: group)
        }
        #expect(try read(GroupMessage.request(1, body).encoded) == .request(1, body))
        #expect(throws: DecodeError.invalidValue) { try read(GroupMessage.request(1, body + [0]).encoded) }
    }
}
