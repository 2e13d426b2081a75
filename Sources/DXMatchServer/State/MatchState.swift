public import DXSecure
import DXSocket
public import DXWire
import Glibc

/// What a matchmaker keeps on disk: its key (`matchd.key`) and its secrets (`matchd.secrets`), mode 0600 in a directory that nobody
/// else may enter. Both are made at first use. Instances that are to be one matchmaker have copies of both.
public struct MatchState: Sendable {
    /// The directory.
    public let directory: String
    /// The matchmaker's key, whose gateway id is its pin.
    public let identity: Identity
    /// Its other secrets.
    public private(set) var secrets: MatchSecrets

    /// The pin.
    public var pin: GatewayID { identity.gatewayID }
    private var secretsPath: String { directory + "/matchd.secrets" }

    /// Reads what is there and makes what is not. Throws `MatchStateError` when the directory cannot be had, `KeyFileError` when a
    /// file is refused, `SecureError` when OpenSSL fails.
    ///
    /// - Parameter now: counted from 1970.
    public init(directory: String, now: Instant) throws {
        self.directory = directory
        try Self.make(directory)
        let keyPath = directory + "/matchd.key"
        if Self.exists(keyPath) {
            identity = try Identity.read(from: keyPath)
        } else {
            identity = try Identity.generate()
            try identity.write(to: keyPath)
        }
        let path = directory + "/matchd.secrets"
        if Self.exists(path) {
            guard let kept = try MatchSecrets.read(from: path) else {
                throw MatchStateError(
                    directory: directory,
                    problem:
                        "has a matchd.secrets that is none (one line, dxmatch1:...); move it away, and new ones are made"
                )
            }
            secrets = kept
        } else {
            secrets = MatchSecrets.generate(now: now)
            try secrets.write(to: path)
        }
    }

    /// Keeps the ticket keys from there on.
    public mutating func keep(_ chain: TicketChain) throws(KeyFileError) {
        secrets.tickets = chain
        try secrets.write(to: secretsPath)
    }

    private static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 || errno != ENOENT }

    private static func make(_ directory: String) throws(MatchStateError) {
        guard !directory.isEmpty else { throw MatchStateError(directory: directory, problem: "has no name") }
        var status = stat()
        if unsafe stat(directory, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw MatchStateError(directory: directory, problem: "is no directory")
            }
            guard status.st_mode & 0o077 == 0 else {
                throw MatchStateError(
                    directory: directory, problem: "may be entered by others; run 'chmod 700 \(directory)'")
            }
            return
        }
        // Only what is above it may have to be made too, with the usual mode.
        if let slash = directory.lastIndex(of: "/"), slash != directory.startIndex {
            let above = String(directory[..<slash])
            if unsafe stat(above, &status) != 0 { unsafe mkdir(above, 0o755) }
        }
        guard unsafe mkdir(directory, 0o700) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw MatchStateError(
                directory: directory, problem: "could not be made (\(reason)); name another with --state")
        }
    }
}

/// Why a matchmaker has no state directory.
public struct MatchStateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The directory.
    public let directory: String
    /// What is wrong and what to do.
    public let problem: String

    /// One line.
    public var description: String { "state directory \(directory) \(problem)" }
}

/// The wall clock.
public enum UnixClock {
    /// The time since 1970.
    public static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
