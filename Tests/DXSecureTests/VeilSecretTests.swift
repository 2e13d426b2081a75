import Testing

@testable import DXSecure

@Suite struct VeilSecretTests {
    private static let known = "dxveil1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

    private func bytes(_ secret: VeilSecret) -> [UInt8] {
        secret.bytes.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
    }

    @Test(arguments: ["", "\n", "\r\n"]) func knownVector(end: String) throws {
        let directory = try TemporaryDirectory()
        let secret = try VeilSecret.read(from: directory.file("veil", Self.known + end))
        #expect(bytes(secret) == Array(0..<32))
        try secret.write(to: directory.path + "/copy")
        let content = try KeyFile.read(directory.path + "/copy")
        #expect(
            content.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } } == Array((Self.known + "\n").utf8))
    }

    @Test func generatedOnesDifferAndReadBack() throws {
        let directory = try TemporaryDirectory()
        let secret = VeilSecret.generate()
        try secret.write(to: directory.path + "/veil")
        #expect(TemporaryDirectory.mode(directory.path + "/veil") == 0o600)
        #expect(bytes(try VeilSecret.read(from: directory.path + "/veil")) == bytes(secret))
        #expect(bytes(VeilSecret.generate()) != bytes(secret))
    }

    @Test(arguments: [
        "", "dxveil1:", "dxveil2" + known.dropFirst(7), known + "\n\n", known + " ", known + "x",
        String(known.dropLast()),
        known.replacing("AAEC", with: "AA+C"), known + "=", " " + known,
        // The last character carries two bits that must be zero.
        known.dropLast() + "9", knownKey,
    ])
    func refusesOtherContent(content: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("veil", content)
        #expect(throws: KeyFileError(path: path, reason: .notAVeil)) { try VeilSecret.read(from: path) }
    }

    @Test func refusesAFileForOthers() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("veil", Self.known, mode: 0o644)
        #expect(throws: KeyFileError(path: path, reason: .filePermissions(0o644))) { try VeilSecret.read(from: path) }
    }
}
