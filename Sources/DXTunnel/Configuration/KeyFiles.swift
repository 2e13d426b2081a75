import CDXSystem
import DXSecure
public import DXWire
import Glibc

/// A key file that was refused, or could not be written.
public struct KeyFileProblem: Error, Hashable, Sendable {
    /// The file.
    public let path: String
    /// What is wrong with it, to stand after its name.
    public let message: String
    /// What to do, as an instruction.
    public let remedy: String
}

extension KeyFileProblem: CustomStringConvertible {
    /// One line: the file, what is wrong, what to do.
    public var description: String { "\(path): \(message); \(remedy)" }
}

/// The files that hold a gateway's secrets: its identity and the veil that its network shares.
///
/// Both are readable by their owner alone (mode 0600), in a directory that nobody else can write; anything else is
/// refused, because whoever can write there can take the gateway's place.
public enum KeyFiles {
    /// Makes a new identity and writes it to `path`. Throws when something is there already: an overwritten identity
    /// cannot be brought back, and every peer would have to be told the new id.
    public static func createIdentity(at path: String) throws(KeyFileProblem) -> GatewayID {
        try refuseExisting(path)
        let identity: Identity
        do { identity = try Identity.generate() } catch {
            throw KeyFileProblem(
                path: path, message: "no key could be made (\(error))", remedy: "check the system's OpenSSL")
        }
        do { try identity.write(to: path) } catch { throw problem(error, kind: .identity) }
        return identity.gatewayID
    }

    /// Makes a new veil secret and writes it to `path`. Throws when something is there already.
    public static func createVeil(at path: String) throws(KeyFileProblem) {
        try refuseExisting(path)
        do { try VeilSecret.generate().write(to: path) } catch { throw problem(error, kind: .veil) }
    }

    /// The gateway id of an identity file; throws what would keep a gateway from starting with it.
    public static func gatewayID(at path: String) throws(KeyFileProblem) -> GatewayID {
        do { return try Identity.read(from: path).gatewayID } catch { throw problem(error, kind: .identity) }
    }

    /// Throws what would keep a gateway from starting with this veil file.
    public static func checkVeil(at path: String) throws(KeyFileProblem) {
        do { _ = try VeilSecret.read(from: path) } catch { throw problem(error, kind: .veil) }
    }

    /// What a file holds, for what to do about it.
    enum Kind {
        case identity
        case veil
        /// A part of a state directory.
        case state
    }

    /// Throws when something is at `path`.
    static func refuseExisting(_ path: String) throws(KeyFileProblem) {
        var facts = dx_path()
        // Without following it: a dangling link is something too.
        guard unsafe dx_path_facts(path, false, &facts) == 0 else { return }
        throw KeyFileProblem(
            path: path, message: "it exists already", remedy: "name another file, or move it away first")
    }

    /// What is wrong with a file, and what to do.
    static func problem(_ error: KeyFileError, kind: Kind) -> KeyFileProblem {
        let make: String
        let name: String
        switch kind {
        case .identity:
            make = "make it with dxgateway keygen --out \(error.path)"
            name = "name the file that dxgateway keygen --out wrote"
        case .veil:
            make = "make it with dxgateway keygen --veil --out \(error.path)"
            name = "name the file that dxgateway keygen --veil --out wrote"
        case .state:
            make = "put a backup in its place, or join the group again"
            name = make
        }
        let message: String
        let remedy: String
        switch error.reason {
        case .missing: (message, remedy) = ("does not exist", make)
        case .notAFile: (message, remedy) = ("is not a regular file", name)
        case .filePermissions(let mode):
            (message, remedy) = ("is open to others (mode \(octal(mode)))", "run chmod 600 \(error.path)")
        case .missingDirectory(let directory):
            (message, remedy) = ("is in a directory that does not exist", "make it with mkdir -m 700 \(directory)")
        case .tooLarge: (message, remedy) = ("is too large for what it should be", name)
        case .directoryPermissions(let directory, let mode):
            (message, remedy) = (
                "is in a directory that others may write (mode \(octal(mode)))", "run chmod go-w \(directory)"
            )
        case .foreignFile(let user):
            (message, remedy) = ("belongs to user \(user)", "run as that user, or give it to this one with chown")
        case .foreignDirectory(let directory, let user):
            (message, remedy) = (
                "is in a directory of user \(user), who may replace it",
                "run this as that user (sudo -u '#\(user)' dxgateway ...), or move it out of \(directory)"
            )
        case .notAnIdentity:
            (message, remedy) = ("is not a P-256 key in PEM", name)
        case .notAVeil: (message, remedy) = ("is not a veil file", name)
        case .system(ENOSPC), .system(EDQUOT):
            (message, remedy) = ("could not be written: the disk is full", "make room")
        case .system(EROFS):
            (message, remedy) = ("could not be written: it is read-only there", "have its directory mounted writable")
        case .system(let code):
            (message, remedy) = (
                "could not be used (\(unsafe String(cString: strerror(code))))", "check the path and its permissions"
            )
        }
        return KeyFileProblem(path: error.path, message: message, remedy: remedy)
    }

    private static func octal(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
