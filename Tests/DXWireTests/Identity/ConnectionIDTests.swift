import DXWire
import Testing

@Suite struct ConnectionIDTests {
    @Test func theFirstByteIsTheShard() {
        let id = ConnectionID(shard: 0xa5, random: 0xffee_ddcc_bbaa_9988)
        #expect(id.rawValue == 0xa5ee_ddcc_bbaa_9988)
        #expect(id.shard == 0xa5)
        #expect(encoded(capacity: ConnectionID.byteCount) { $0.write(id.rawValue) } == hex("a5eeddccbbaa9988"))
    }

    @Test(arguments: [(UInt64(0), "0000000000000000"), (0xab, "00000000000000ab"), (.max, "ffffffffffffffff")])
    func describesItself(value: UInt64, text: String) {
        #expect(ConnectionID(rawValue: value).description == text)
    }
}
