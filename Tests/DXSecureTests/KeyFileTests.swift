import CTestSupport
import Glibc
import Testing

@testable import DXSecure

@Suite struct KeyFileTests {
    private func reason(_ body: () throws -> Void) -> KeyFileError.Reason? {
        do { try body() } catch let error as KeyFileError { return error.reason } catch { return nil }
        return nil
    }

    private func put(_ text: String, at path: String) throws(KeyFileError) {
        let bytes = Array(text.utf8)
        try KeyFile.write(unsafe SecretBytes(bytes.span.bytes), to: path)
    }

    @Test(arguments: [0o604, 0o640, 0o660, 0o602, 0o601, 0o644] as [mode_t])
    func refusesAFileForOthers(mode: mode_t) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("key", knownKey, mode: mode)
        #expect(reason { _ = try KeyFile.read(path) } == .filePermissions(mode))
        let text = KeyFileError(path: path, reason: .filePermissions(mode)).description
        #expect(text.contains(path) && text.contains("chmod 600") && text.contains("0" + String(mode, radix: 8)))
    }

    @Test(arguments: [0o400, 0o600, 0o700] as [mode_t])
    func readsAFileOfTheOwnerAlone(mode: mode_t) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("key", "abc", mode: mode)
        #expect(try KeyFile.read(path).count == 3)
    }

    @Test(arguments: [0o777, 0o770, 0o702, 0o1777, 0o720] as [mode_t])
    func refusesADirectoryThatOthersMayWrite(mode: mode_t) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("key", knownKey)
        _ = unsafe chmod(directory.path, mode)
        let expected = KeyFileError.Reason.directoryPermissions(directory.path, mode)
        #expect(reason { _ = try KeyFile.read(path) } == expected)
        #expect(reason { try put("x", at: path) } == expected)
    }

    @Test func namesWhatIsMissing() throws {
        let directory = try TemporaryDirectory()
        #expect(reason { _ = try KeyFile.read(directory.path + "/none") } == .missing)
        let inside = directory.path + "/none/key"
        #expect(
            reason { try put("x", at: inside) }
                == .missingDirectory(directory.path + "/none"))
    }

    @Test func refusesWhatIsNoFile() throws {
        let directory = try TemporaryDirectory()
        #expect(reason { _ = try KeyFile.read(directory.path) } != nil)
        _ = unsafe mkfifo(directory.path + "/pipe", 0o600)
        #expect(reason { _ = try KeyFile.read(directory.path + "/pipe") } == .notAFile)
    }

    @Test func refusesAHugeFile() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("key", String(repeating: "x", count: KeyFile.maximumByteCount + 1))
        #expect(reason { _ = try KeyFile.read(path) } == .tooLarge)
    }

    /// The rules are for the file that a link points to.
    @Test func followsALink() throws {
        let real = try TemporaryDirectory()
        let other = try TemporaryDirectory()
        let path = try real.file("key", "abc")
        _ = unsafe symlink(path, other.path + "/link")
        #expect(try KeyFile.read(other.path + "/link").count == 3)
        _ = unsafe chmod(real.path, 0o777)
        #expect(
            reason { _ = try KeyFile.read(other.path + "/link") } == .directoryPermissions(real.path, 0o777))
        _ = unsafe chmod(real.path, 0o700)
        try put("xxxxx", at: other.path + "/link")
        #expect(try KeyFile.read(path).count == 5)
        #expect(real.names == ["key"] && other.names == ["link"])
    }

    @Test func replacesWithOwnerOnlyMode() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("key", "old", mode: 0o644)
        // The mask of this thread alone, from now on: files that tests beside this one make are not to have it.
        #expect(dx_own_file_mode_mask() == 0)
        let mask = umask(0o777)
        defer { umask(mask) }
        try put("xxxxx", at: path)
        #expect(TemporaryDirectory.mode(path) == 0o600)
        #expect(try KeyFile.read(path).count == 5)
        #expect(directory.names == ["key"])
    }

    @Test func everyReasonSaysWhere() {
        let reasons: [KeyFileError.Reason] = [
            .missing, .missingDirectory("/d"), .notAFile, .tooLarge, .filePermissions(0o644),
            .directoryPermissions("/d", 0o777), .foreignFile(7), .foreignDirectory("/d", 7), .notAnIdentity, .notAVeil,
            .system(ENOSPC),
        ]
        for reason in reasons {
            #expect(KeyFileError(path: "/d/key", reason: reason).description.hasPrefix("/d/key: "))
        }
        #expect(KeyFileError(path: "/k", reason: .system(ENOSPC)).description == "/k: No space left on device")
    }
}
