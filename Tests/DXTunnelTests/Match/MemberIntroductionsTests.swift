import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Introductions through members: what is sealed, and how many there may be.
@Suite struct MemberIntroductionsTests {
    private let one: Identity
    private let other: Identity
    private let now = Instant.zero + .seconds(100)

    init() throws {
        one = try TestKeys.identity(1)
        other = try TestKeys.identity(2)
    }

    private func content(by sender: Identity, isAnswer: Bool = false) -> IntroductionContent {
        IntroductionContent(
            number: 77, isAnswer: isAnswer,
            blob: BlobContent(
                gatewayID: sender.gatewayID, revision: 5, behaviourV4: .unknown, behaviourV6: .unknown,
                candidates: [
                    Candidate(kind: .host, priority: 9, endpoint: Endpoint(v4: 0x0a00_0001, port: 7_700)),
                    Candidate(kind: .host, priority: 8, endpoint: Endpoint(v6High: 1 << 61, low: 1, port: 7_700)),
                ]))
    }

    @Test(arguments: [false, true]) func whatOneSealsTheOtherReads(isAnswer: Bool) throws {
        let ours = try #require(PairSecret(one, other.publicKey))
        let theirs = try #require(PairSecret(other, one.publicKey))
        let content = content(by: one, isAnswer: isAnswer)
        let sealed = try content.sealed(ours)
        #expect(sealed.count <= IntroductionContent.longest)
        #expect(IntroductionContent(sealed: sealed, by: one.gatewayID, theirs) == content)
        // Not by somebody else, nor reflected, nor damaged.
        #expect(IntroductionContent(sealed: sealed, by: other.gatewayID, theirs) == nil)
        #expect(IntroductionContent(sealed: sealed, by: one.gatewayID, ours) == nil)
        for index in sealed.indices {
            var damaged = sealed
            damaged[index] ^= 0x10
            #expect(IntroductionContent(sealed: damaged, by: one.gatewayID, theirs) == nil)
        }
        // One that names somebody else inside.
        let lie = try self.content(by: other).sealed(ours)
        #expect(IntroductionContent(sealed: lie, by: one.gatewayID, theirs) == nil)
    }

    @Test func messagesAreReadAsTheyWereWritten() throws {
        let group = GroupID(rootKey: try TestKeys.identity(0).publicKey)
        let sealed = [UInt8](repeating: 3, count: 200)
        let messages: [GroupMessage] = [
            .introduce(one.gatewayID, sealed), .introduced(one.gatewayID, observed: nil, sealed),
            .introduced(one.gatewayID, observed: Endpoint(v4: 0x0102_0304, port: 5), sealed),
            .introduced(one.gatewayID, observed: Endpoint(v6High: 1 << 61, low: 2, port: 5), []),
        ]
        for message in messages {
            let bytes = message.encoded
            var reader = unsafe ByteReader(bytes.span.bytes)
            #expect(try GroupMessage(reading: &reader, group: group) == message)
        }
        let long = GroupMessage.introduce(one.gatewayID, [UInt8](repeating: 0, count: IntroductionContent.longest + 1))
        let bytes = long.encoded
        var reader = unsafe ByteReader(bytes.span.bytes)
        #expect(throws: DecodeError.self) { try GroupMessage(reading: &reader, group: group) }
    }

    /// Somebody who is not found is asked for less and less often.
    @Test func searchesSlowDown() {
        var introductions = MemberIntroductions()
        var times: [Instant] = []
        for second in 0..<3_600 {
            let time = now + .seconds(Int64(second))
            guard introductions.mayAsk(for: one.gatewayID, now: time) else { continue }
            introductions.asked(for: one.gatewayID, number: UInt64(second), now: time)
            times.append(time)
        }
        #expect((60...66).contains(times.count))
        #expect(introductions.failureCount(of: one.gatewayID) == times.count)
        introductions.forget(one.gatewayID)
        #expect(introductions.mayAsk(for: one.gatewayID, now: times[times.count - 1]))
    }

    /// A hostile member asks without end: each pair of ends sees one a second, and eight more at once.
    @Test func passingOnIsLimited() {
        var introductions = MemberIntroductions()
        var passed = 0
        for tenth in 0..<600 {
            let time = now + .milliseconds(Int64(tenth) * 100)
            for _ in 0..<5 where introductions.mayPass(from: one.gatewayID, to: other.gatewayID, now: time) {
                passed += 1
            }
        }
        #expect((60...68).contains(passed))
        #expect(introductions.statistics.limited == UInt64(3_000 - passed))
    }

    @Test func eachQuestionIsActedOnOnce() {
        var introductions = MemberIntroductions()
        let mayTake = introductions.mayTake(from: one.gatewayID, now: now)
        let isNew = [5, 5, 6].map { introductions.isNew($0, from: one.gatewayID) }
        #expect(mayTake && isNew == [true, false, true])
        let more = (0..<10).count { _ in introductions.mayTake(from: one.gatewayID, now: now) }
        #expect(more == 3)
    }

    @Test func answersAreForQuestions() {
        var introductions = MemberIntroductions()
        func takes(_ number: UInt64, from peer: Identity, after wait: Interval = .zero) -> Bool {
            introductions.takeAnswer(number, from: peer.gatewayID, now: now + wait)
        }
        let early = takes(1, from: one)
        introductions.asked(for: one.gatewayID, number: 1, now: now)
        let wrong = [takes(2, from: one), takes(1, from: other)]
        let right = [takes(1, from: one, after: .seconds(2)), takes(1, from: one, after: .seconds(2))]
        introductions.asked(for: one.gatewayID, number: 3, now: now + .seconds(20))
        let late = takes(3, from: one, after: .seconds(31))
        #expect(!early && wrong == [false, false] && right == [true, false] && !late)
    }
}
