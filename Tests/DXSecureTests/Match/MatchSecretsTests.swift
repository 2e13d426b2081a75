import DXWire
import Testing

@testable import DXSecure

@Suite struct MatchSecretsTests {
    private let directory = try! TemporaryDirectory()
    private let requestKeys: MatchKeys
    private let noon = Instant.zero + .seconds(20_000 * 86_400 + 43_200)

    init() {
        let bytes = (0..<64).map { UInt8($0) }
        requestKeys = MatchKeys(unsafe SecretBytes(bytes.span.bytes))
    }

    private func day(_ count: Int) -> Interval { TicketKeys.lifetime * Int64(count) }

    private func ticket(_ keys: TicketKeys, at time: Instant) throws -> [UInt8] {
        try keys.seal(requestKeys, group: [UInt8](repeating: 1, count: 16), now: time)
    }

    private func opens(_ ticket: [UInt8], _ keys: TicketKeys, at time: Instant) -> Bool {
        unsafe keys.open(ticket.span.bytes, now: time) != nil
    }

    @Test func fileHoldsAll() throws {
        let secrets = MatchSecrets.generate(now: noon)
        let path = directory.path + "/secrets"
        try secrets.write(to: path)
        #expect(TemporaryDirectory.mode(path) == 0o600)
        let read = try #require(try MatchSecrets.read(from: path))
        #expect(read.secret(for: "a") == secrets.secret(for: "a") && read.secret(for: "a") != read.secret(for: "b"))
        let made = try ticket(TicketKeys(secrets.tickets, now: noon), at: noon)
        #expect(opens(made, try TicketKeys(read.tickets, now: noon), at: noon))
        let text = String(decoding: try PrivateFile.read(path, atMost: 1_000), as: UTF8.self)
        for bad in ["", "dxmatch1:", String(text.dropLast(2)), text + "x", "dxmatch2" + text.dropFirst(8)] {
            _ = try directory.file("secrets", bad)
            #expect(try MatchSecrets.read(from: path) == nil, "\(bad)")
        }
    }

    /// Whoever has the chain has the keys of the day, however old his copy is, and whenever he starts.
    @Test func instancesNeedNoWord() throws {
        let secrets = MatchSecrets.generate(now: noon)
        var old = try TicketKeys(secrets.tickets, now: noon)
        for number in 1...40 {
            let now = noon + day(number)
            #expect(try old.timeoutFired(now: now))
            #expect(try !old.timeoutFired(now: now))
            let new = try TicketKeys(secrets.tickets, now: now)
            let kept = try TicketKeys(old.chain, now: now)
            let made = try ticket(old, at: now)
            #expect(opens(made, new, at: now) && opens(made, kept, at: now))
            #expect(opens(try ticket(kept, at: now), old, at: now))
            #expect(old.nextTimeout == new.nextTimeout && new.nextTimeout == kept.nextTimeout)
        }
        // A machine that slept for a month has today's keys at once.
        var slept = try TicketKeys(secrets.tickets, now: noon)
        #expect(try slept.timeoutFired(now: noon + day(40)))
        #expect(opens(try ticket(slept, at: noon + day(40)), old, at: noon + day(40)))
    }

    /// What is kept now opens nothing of three days ago.
    @Test func theChainGoesForwardOnly() throws {
        let secrets = MatchSecrets.generate(now: noon)
        let before = try ticket(TicketKeys(secrets.tickets, now: noon), at: noon)
        var keys = try TicketKeys(secrets.tickets, now: noon)
        try keys.timeoutFired(now: noon + day(3))
        #expect(!opens(before, try TicketKeys(keys.chain, now: noon), at: noon))
    }

    /// A clock that was set back changes no key: it only lets them live longer.
    @Test func aClockSetBack() throws {
        let secrets = MatchSecrets.generate(now: noon)
        let made = try ticket(TicketKeys(secrets.tickets, now: noon), at: noon)
        let wrong = Instant.zero + .seconds(60)
        var back = try TicketKeys(secrets.tickets, now: wrong)
        #expect(opens(made, back, at: wrong))
        let next = wrong + TicketKeys.lifetime
        #expect(back.nextTimeout == next)
        #expect(try back.timeoutFired(now: back.nextTimeout))
        // From before 1970: nothing traps.
        _ = try TicketKeys(secrets.tickets, now: .zero - .seconds(1_000))
    }

    /// RFC 4231, test cases 1 and 2; AES-SIV is tried by RFC 5297's vector (`TicketKeysTests`).
    @Test func hmacVectors() {
        func key(_ bytes: [UInt8]) -> Bytes32 {
            let padded = bytes + [UInt8](repeating: 0, count: 32 - bytes.count)
            return unsafe Bytes32(padded.span.bytes)
        }
        let (one, two) = (Array("Hi There".utf8), Array("what do ya want for nothing?".utf8))
        #expect(
            unsafe Bytes32(hmacSHA256: one.span.bytes, key: key([UInt8](repeating: 0x0b, count: 20))).bytes
                == hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"))
        #expect(
            unsafe Bytes32(hmacSHA256: two.span.bytes, key: key(Array("Jefe".utf8))).bytes
                == hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
    }

    @Test func noticesOpenWithTheirKeyAndData() throws {
        let (body, data, other): ([UInt8], [UInt8], [UInt8]) = (Array(1...40), [1, 2], [1, 3])
        let key = unsafe Bytes32(sha256: body.span.bytes)
        let sealed = unsafe try NoticeSeal.seal(body.span.bytes, data: data.span.bytes, key: key)
        #expect(unsafe NoticeSeal.open(sealed.span.bytes, data: data.span.bytes, key: key) == body)
        #expect(unsafe NoticeSeal.open(sealed.span.bytes, data: other.span.bytes, key: key) == nil)
        for count in 0..<sealed.count {
            let part = Array(sealed.prefix(count))
            #expect(unsafe NoticeSeal.open(part.span.bytes, data: data.span.bytes, key: key) == nil)
        }
        #expect(throws: SecureError.packetSize) {
            let none: [UInt8] = []
            _ = unsafe try NoticeSeal.seal(none.span.bytes, data: data.span.bytes, key: key)
        }
    }
}
