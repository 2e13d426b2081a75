import CDXSystem
import DXSecure
import DXWire
import Glibc

/// The directory in which a gateway keeps its identity, its group's secrets and its group's records
/// (`docs/state-directory.md`).
///
/// Each file is replaced as a whole and lasts once it is replaced (`PrivateFile`); the group file is written last, so that
/// a gateway either is in a group, with all it needs, or is not. Who changes anything holds the lock; the kernel frees it
/// when the process ends, however it ends.
final class StateDirectory: Sendable {
    let path: String
    /// The file that is locked; -1 for one who only reads.
    private let lock: Int32

    private static let mode: mode_t = 0o700

    private enum Name {
        static let identity = "identity.key"
        static let root = "root.key"
        static let group = "group.state"
        static let invites = "invites.state"
        static let reach = "reach.state"
        static let lock = "lock"
    }

    var identityPath: String { file(Name.identity) }
    /// The group's root key, where this gateway made the group and the key was not put elsewhere.
    var rootKeyPath: String { file(Name.root) }
    var groupPath: String { file(Name.group) }

    /// Opens the directory to read.
    init(reading path: String) {
        self.path = path
        lock = -1
    }

    /// Opens the directory to change what is in it, and makes it when it is not there. Removes what a write that did not
    /// finish left behind.
    init(locking path: String) throws(StateProblem) {
        self.path = path
        // The one above is made too: /var/lib/dx, which is everybody's to see, comes with the system's own gateway.
        if unsafe mkdir(path, Self.mode) != 0, errno == ENOENT, let end = path.lastIndex(of: "/") {
            _ = unsafe mkdir(String(path[..<end]), 0o755)
        }
        if unsafe mkdir(path, Self.mode) != 0 && errno != EEXIST {
            throw StateProblem(
                path, "cannot be made (\(Self.errorText()))", "make it with mkdir -m 700, or name another")
        }
        // Before anything is made in it: a lock of root's would be in its owner's way.
        var facts = dx_path()
        if unsafe dx_path_facts(path, true, &facts) == 0, facts.owner != geteuid() {
            throw StateProblem(
                path, "belongs to user \(facts.owner), and this runs as user \(geteuid())",
                "run this as that user (sudo -u '#\(facts.owner)' dxgateway ...), or name another directory with --state"
            )
        }
        let lockPath = path + "/" + Name.lock
        lock = unsafe open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600 as mode_t)
        guard lock >= 0 else {
            throw StateProblem(lockPath, "cannot be opened (\(Self.errorText()))", "check the directory's permissions")
        }
        guard Self.take(lock) else {
            close(lock)
            throw StateProblem(path, "is in use by another dxgateway", "stop that one first")
        }
        for name in names where name.contains(PrivateFile.temporaryMark) { _ = unsafe unlink(file(name)) }
    }

    /// Lets another process change what is in the directory; this one must not any more.
    func release() { if lock >= 0 { flock(lock, LOCK_UN) } }

    deinit { if lock >= 0 { close(lock) } }

    /// Locks the file; false when somebody else keeps it. Whoever ends at this moment, and a child that this process was
    /// making when it let the lock go (it has a copy until it executes its program), is waited for.
    private static func take(_ lock: Int32) -> Bool {
        for _ in 0..<lockAttempts {
            if flock(lock, LOCK_EX | LOCK_NB) == 0 { return true }
            usleep(lockPause)
        }
        return false
    }
    /// A second in all: longer than a process takes to end or to begin on a busy host, and no long wait for who has made a
    /// mistake.
    private static let lockAttempts = 50
    private static let lockPause: UInt32 = 20_000

    // MARK: What is there

    /// Whether this gateway is in a group.
    var hasGroup: Bool { unsafe access(groupPath, F_OK) == 0 }

    /// The gateway's identity; made when there is none yet, which needs the lock.
    func identity() throws(StateProblem) -> Identity {
        do {
            if lock >= 0, unsafe access(identityPath, F_OK) != 0 {
                do { try Identity.generate().write(to: identityPath) } catch let error as SecureError {
                    throw StateProblem(identityPath, "cannot be made (\(error))", "check the system's OpenSSL")
                }
            }
            return try Identity.read(from: identityPath)
        } catch let error as KeyFileError {
            throw StateProblem(error)
        } catch {
            throw error as? StateProblem ?? StateProblem(identityPath, "\(error)", "check the file")
        }
    }

    /// What the gateway knows of its group.
    func group() throws(StateProblem) -> GroupFile {
        guard hasGroup else {
            throw StateProblem(path, "holds no group", "make one with dxgateway init, or name another directory")
        }
        let bytes: [UInt8]
        do { bytes = try PrivateFile.read(groupPath, atMost: GroupFile.mostBytes) } catch { throw StateProblem(error) }
        do { return try GroupFile(bytes) } catch { throw StateProblem(error, path: groupPath) }
    }

    /// The group's secrets, the newest last.
    func epochs() throws(StateProblem) -> [EpochSecret] {
        var epochs: [EpochSecret] = []
        for name in names {
            guard let number = EpochSecret.number(inFileName: name) else { continue }
            let epoch: EpochSecret
            do { epoch = EpochSecret(number: number, secret: try VeilSecret.read(from: file(name))) } catch {
                throw StateProblem(error)
            }
            guard epoch.fileName == name else {
                throw StateProblem(file(name), "holds another secret than its name says", "put a backup in its place")
            }
            epochs.append(epoch)
        }
        return epochs.sorted { ($0.number, $0.secret.name) < ($1.number, $1.secret.name) }
    }

    /// The gateway's invitations; none when it has made none yet. `calendar` and `now` are the time.
    func invites(calendar: Int64, now: Instant) throws(StateProblem) -> InviteBook {
        let path = file(Name.invites)
        guard unsafe access(path, F_OK) == 0 else { return InviteBook() }
        let bytes: [UInt8]
        do { bytes = try PrivateFile.read(path, atMost: Self.mostInviteBytes) } catch { throw StateProblem(error) }
        do throws(StateFile.Refusal) {
            let fields = try StateFile.fields(bytes, of: .invites)
            do { return try InviteBook(fields, calendar: calendar, now: now) } catch { throw .damaged }
        } catch { throw StateProblem(error, path: path) }
    }

    /// 10,000 invitations of some hundred bytes.
    private static let mostInviteBytes = 16 << 20

    /// Where members were reached last; an empty book when it was not written yet, or lies there damaged: then `isRefused`. Whatever
    /// is wrong with it, the gateway runs without.
    func reach() -> (book: ReachBook, isRefused: Bool) {
        let path = file(Name.reach)
        guard unsafe access(path, F_OK) == 0 else { return (ReachBook(), false) }
        let book = (try? PrivateFile.readSecret(path, atMost: ReachFile.mostBytes)).flatMap(ReachFile.book)
        return (book ?? ReachBook(), book == nil)
    }

    /// The root key, when it is here or in the file given; nil when neither.
    func rootKey() throws(StateProblem) -> Identity? {
        guard unsafe access(rootKeyPath, F_OK) == 0 else { return nil }
        do { return try Identity.read(from: rootKeyPath) } catch { throw StateProblem(error) }
    }

    // MARK: Changes

    /// Puts this in place of what the gateway knew of its group. Once it returns, a crash does not lose it.
    func save(_ group: GroupFile) throws(StateProblem) {
        precondition(lock >= 0, "who changes the state holds its lock")
        do { try PrivateFile.write(group.encoded, to: groupPath) } catch { throw StateProblem(error) }
    }

    /// Puts these in place of the gateway's invitations. Once it returns, a crash does not lose them.
    func save(_ invites: InviteBook) throws(StateProblem) {
        precondition(lock >= 0, "who changes the state holds its lock")
        do {
            try PrivateFile.write(StateFile.bytes(.invites, invites.fields), to: file(Name.invites))
        } catch { throw StateProblem(error) }
    }

    /// Puts this in place of where members were reached, as `ReachFile.bytes` gives it.
    func save(reach content: SecretBytes) throws(StateProblem) {
        precondition(lock >= 0, "who changes the state holds its lock")
        do { try PrivateFile.write(content, to: file(Name.reach)) } catch { throw StateProblem(error) }
    }

    /// Adds one of the group's secrets. It comes before the record of it is saved.
    func add(_ epoch: EpochSecret) throws(StateProblem) {
        precondition(lock >= 0, "who changes the state holds its lock")
        do { try epoch.secret.write(to: file(epoch.fileName)) } catch { throw StateProblem(error) }
    }

    /// Removes secrets, root key and where others were reached, which belong to no group as long as there is no group file.
    func removeLeftovers() {
        precondition(lock >= 0 && !hasGroup, "a group's secrets stay")
        for name in names where EpochSecret.number(inFileName: name) != nil || [Name.root, Name.reach].contains(name) {
            _ = unsafe unlink(file(name))
        }
    }

    // MARK: Files

    private func file(_ name: String) -> String { path + "/" + name }

    private var names: [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                    unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                })
        }
        return names.sorted()
    }

    private static func errorText() -> String { unsafe String(cString: strerror(errno)) }
}
