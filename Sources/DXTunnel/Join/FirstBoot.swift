internal import DXSecure
internal import DXWire
internal import Glibc
public import Logging

/// Joins a group by a token that lies in a file, as a device does when it starts for the first time, and erases the file
/// (`docs/group.md` §8).
///
/// As long as there is no network, or the inviter does not answer, it asks again, for ever: the pauses grow to
/// `longestPause`. A token that is refused is left where it is and said to be: whoever put it there must put another.
public struct FirstBoot: Sendable {
    /// The file with the token.
    public var tokenFile: String
    /// What this gateway would like to be called; the host's name when nil.
    public var name: String?
    /// Where the gateway's state goes.
    public var stateDirectory: String

    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(60)
    /// A token has at most 300 characters; the rest is white space.
    private static let mostBytes = 4_096

    /// What to do; nothing happens yet.
    public init(tokenFile: String, name: String? = nil, stateDirectory: String) {
        self.tokenFile = tokenFile
        self.name = name
        self.stateDirectory = stateDirectory
    }

    /// Whether there is a file with a token.
    public var hasToken: Bool { unsafe access(tokenFile, F_OK) == 0 }

    /// Joins, unless the gateway is in a group already, and erases the token.
    ///
    /// - Throws: `StateProblem` for the token, the file and the directory, `GroupError` when the token is refused,
    ///   `CancellationError`.
    public func run(logger: Logger) async throws {
        let token = try read()
        if StateDirectory(reading: stateDirectory).hasGroup {
            guard isOurs(token) else {
                return logger.warning(
                    "there is a token, and this gateway is in a group already: remove one of the two",
                    metadata: ["token": "\(tokenFile)", "state": "\(stateDirectory)"])
            }
            // It ended between joining and erasing.
            return erase(logger)
        }
        logger.notice("joining a group", metadata: ["token": "\(tokenFile)"])
        var pause = Self.firstPause
        while true {
            let joining = GroupJoining(token: token, name: name ?? Self.hostName, stateDirectory: stateDirectory)
            do {
                let summary = try await joining.run()
                logger.notice("joined the group", metadata: ["name": "\(summary.thisGateway?.name ?? "")"])
                return erase(logger)
            } catch let error as GroupError where error.code == .failed {
                logger.warning(
                    "could not join yet", metadata: ["reason": "\(error)", "again_in": "\(pause.components.seconds) s"])
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private func read() throws(StateProblem) -> String {
        guard let file = unsafe fopen(tokenFile, "re") else {
            throw StateProblem(
                tokenFile, "cannot be read (\(unsafe String(cString: strerror(errno))))",
                "check that the gateway's user may read it")
        }
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.mostBytes)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Whether this is the token by which the gateway came into its group.
    private func isOurs(_ text: String) -> Bool {
        guard let token = try? InviteToken(text), let file = try? StateDirectory(reading: stateDirectory).group()
        else { return false }
        return file.introducer?.key == token.inviter
    }

    /// Overwrites the file and removes it. Where that cannot be done the token is used up all the same.
    private func erase(_ logger: Logger) {
        let descriptor = unsafe open(tokenFile, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor >= 0 {
            let nothing = [UInt8](repeating: 0, count: Self.mostBytes)
            _ = unsafe write(descriptor, nothing, nothing.count)
            _ = fsync(descriptor)
            close(descriptor)
        }
        guard unsafe unlink(tokenFile) != 0 else { return }
        logger.warning(
            "the token was used, and could not be erased",
            metadata: ["token": "\(tokenFile)", "reason": "\(unsafe String(cString: strerror(errno)))"])
    }

    /// What the device is called; nil when that is no name here.
    private static var hostName: String? {
        var bytes = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&bytes, bytes.count - 1) == 0 else { return nil }
        let name = String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return NameRule.isValid(name) ? name : nil
    }
}
