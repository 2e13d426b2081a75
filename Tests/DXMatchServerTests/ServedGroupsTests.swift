import DXMatch
import DXSecure
import DXTestFiles
import DXWire
import Testing

@testable import DXMatchServer

@Suite struct ServedGroupsTests {
    private let keys = (0..<3).map { _ in try! Identity.generate() }

    @Test func readsKeysAndComments() throws {
        let lines = keys.map { Base64URL.text($0.publicKey.bytes) }
        let text = "# the plant's\n\(lines[0])\n\n  \(lines[1])   # another\r\n\(lines[0])\n"
        let groups = try ServedGroups(text: text, path: "groups")
        #expect(groups == .listed([FrontLab.hash(keys[0]), FrontLab.hash(keys[1])]))
        #expect(groups.serves(FrontLab.hash(keys[0])) && !groups.serves(FrontLab.hash(keys[2])))
        #expect(groups.serves(.zero) && groups.count == 2)
        #expect(try ServedGroups(text: "", path: "groups") == .listed([]))
    }

    @Test func namesFileAndLine() throws {
        let good = Base64URL.text(keys[0].publicKey.bytes)
        // The right length, the right first byte, and not on the curve: about half of all x are not.
        var point = keys[0].publicKey.bytes
        var noPoint = ""
        for byte in UInt8.min ... .max where noPoint.isEmpty {
            point[32] = byte
            var reader = ByteReader(point.raw)
            if try PublicKey(reading: &reader).gatewayID == nil { noPoint = Base64URL.text(point) }
        }
        for bad in ["x", good + "A", String(good.dropLast()), good.replacing("A", with: "!") + "!", noPoint] {
            let error = #expect(throws: GroupsFileError.self) {
                try ServedGroups(text: "\(good)\n#\n\(bad)\n", path: "/etc/dx/groups")
            }
            #expect(error?.line == 3 && error?.description.hasPrefix("/etc/dx/groups:3: ") == true)
        }
    }
}

@Suite struct MatchStateTests {
    private let directory = TemporaryDirectory()

    @Test func isMadeOnceAndGuarded() throws {
        let path = directory.file("a/b")
        let made = try MatchState(directory: path, now: FrontLab.start)
        #expect(TemporaryDirectory.mode(of: path) == 0o700)
        #expect(TemporaryDirectory.mode(of: path + "/matchd.key") == 0o600)
        #expect(TemporaryDirectory.mode(of: path + "/matchd.secrets") == 0o600)
        let again = try MatchState(directory: path, now: FrontLab.start + .seconds(400_000))
        #expect(again.pin == made.pin)
        #expect(again.secrets.secret(for: "x") == made.secrets.secret(for: "x"))
        #expect(again.secrets.secret(for: "x") != made.secrets.secret(for: "y"))
        directory.setMode(0o755, of: "a/b")
        #expect(throws: MatchStateError.self) { try MatchState(directory: path, now: FrontLab.start) }
        directory.setMode(0o700, of: "a/b")
        directory.write("dxmatch1:AAAA\n", to: "a/b/matchd.secrets")
        #expect(throws: MatchStateError.self) { try MatchState(directory: path, now: FrontLab.start) }
        directory.write("no key", to: "a/b/matchd.key")
        #expect(throws: KeyFileError.self) { try MatchState(directory: path, now: FrontLab.start) }
        directory.write("", to: "file")
        #expect(throws: MatchStateError.self) { try MatchState(directory: directory.file("file"), now: FrontLab.start) }
    }
}
