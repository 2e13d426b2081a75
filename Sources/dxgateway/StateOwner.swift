import DXControl
import Glibc

/// The user who owns a state directory. Verbs that work in it, run by root, work as that user: what root makes there the
/// gateway could not use, and what root may do says nothing of what the gateway may.
enum StateOwner {
    /// Nil when this process is not root's, when the directory is not there, and when it is root's own.
    private static func other(of directory: String) -> (user: uid_t, group: gid_t)? {
        guard geteuid() == 0, let facts = DoctorHost.facts(of: directory), facts.owner != 0 else { return nil }
        return (facts.owner, facts.group)
    }

    /// As root: becomes the owner of a directory, for good.
    static func become(of directory: String) {
        guard let owner = other(of: directory) else { return }
        _ = setgroups(0, nil)
        guard setgid(owner.group) == 0, setuid(owner.user) == 0 else { return }
    }

    /// As root: does something as the owner of a directory, and is root again.
    static func perform<Result>(in directory: String, _ body: () throws -> Result) throws -> Result {
        guard let owner = other(of: directory) else { return try body() }
        guard setegid(owner.group) == 0, seteuid(owner.user) == 0 else {
            throw CommandFailure(.failed, "this process cannot become user \(owner.user), who owns \(directory)")
        }
        defer {
            // The user first: only root may choose its group.
            if seteuid(0) != 0 || setegid(0) != 0 { fatalError("root cannot become root again") }
        }
        return try body()
    }

    /// Whether the directory is another user's, and this process root's.
    static func isOther(of directory: String) -> Bool { other(of: directory) != nil }
}
