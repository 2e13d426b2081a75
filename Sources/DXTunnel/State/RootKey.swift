import DXSecure
import DXWire

/// A group's root key, read from its file: for who reads and writes it as another user than the state directory's.
public struct RootKey: Sendable {
    let identity: Identity

    /// Reads the file that `GroupCreation` wrote. Throws when it cannot be read, is open to others, or holds no key.
    public init(reading path: String) throws(StateProblem) {
        do { identity = try Identity.read(from: path) } catch { throw StateProblem(error) }
    }

    /// Writes it to a file that does not exist yet, mode 0600.
    public func write(to path: String) throws(StateProblem) {
        try Self.refuseExisting(path)
        do { try identity.write(to: path) } catch { throw StateProblem(error) }
    }

    /// Throws when there is such a file already: it may be the only copy of another group's key.
    public static func refuseExisting(_ path: String) throws(StateProblem) {
        do { try KeyFiles.refuseExisting(path) } catch {
            throw StateProblem(
                path, "it exists already", "name another file, or remove it if it is of an init that did not finish")
        }
    }
}
