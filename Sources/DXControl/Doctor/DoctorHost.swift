import CDXSystem
import Glibc

/// What the host says of itself. Tests put something else in the place of each part.
public struct DoctorHost: Sendable {
    /// Where proc(5) is.
    public var proc = "/proc"
    /// Where sysfs(5) is.
    public var sys = "/sys"
    /// Where systemd(1) says that it runs this system.
    public var systemdMark = "/run/systemd/system"
    /// The program that asks systemd.
    public var systemctl = "/usr/bin/systemctl"
    /// What keeps the clock right and how wrong it may be; nil where the kernel does not tell.
    public var clock: @Sendable () -> Clock? = Clock.system
    /// The room on a disk; nil where that cannot be told.
    public var disk: @Sendable (String) -> Disk? = Disk.init(at:)
    /// How many files a process may open (RLIMIT_NOFILE, the hard limit: the gateway takes all it may).
    public var descriptorLimit: @Sendable () -> Int = Self.hardDescriptorLimit
    /// The interfaces that have an IP address; nil where the system does not say.
    public var addressedInterfaces: @Sendable () -> Set<String>? = Self.interfacesWithAddresses
    /// Whether the kernel sends and takes many datagrams at once.
    public var offloads: @Sendable () -> (gso: Bool, gro: Bool) = DoctorOffloads.probe

    /// The host that this runs on.
    public init() {}

    /// The clock.
    public struct Clock: Sendable, Hashable {
        /// Seconds since 1970.
        public var seconds: Int
        /// Whether something keeps it right.
        public var isSynchronised: Bool
        /// How wrong it may be, in microseconds, as far as the kernel knows.
        public var errorMicroseconds: Int64

        /// A clock from its parts.
        public init(seconds: Int, isSynchronised: Bool, errorMicroseconds: Int64) {
            self.seconds = seconds
            self.isSynchronised = isSynchronised
            self.errorMicroseconds = errorMicroseconds
        }

        /// The system's; nil where a sandbox forbids to ask.
        @Sendable public static func system() -> Clock? {
            var (isSynchronised, error): (Bool, Int64) = (false, 0)
            guard unsafe dx_clock_facts(&isSynchronised, &error) == 0 else { return nil }
            return Clock(seconds: time(nil), isSynchronised: isSynchronised, errorMicroseconds: error)
        }
    }

    /// The room on a disk.
    public struct Disk: Sendable, Hashable {
        /// Bytes that may be written by who is not root.
        public var freeBytes: UInt64
        /// Files that may be made; nil where the file system does not count them.
        public var freeFiles: UInt64?

        /// Room from its parts.
        public init(freeBytes: UInt64, freeFiles: UInt64?) {
            self.freeBytes = freeBytes
            self.freeFiles = freeFiles
        }

        /// The room where `path` is.
        @Sendable public init?(at path: String) {
            var facts = statvfs()
            guard unsafe statvfs(path, &facts) == 0 else { return nil }
            freeBytes = UInt64(facts.f_bavail) &* UInt64(facts.f_frsize)
            freeFiles = facts.f_files == 0 ? nil : UInt64(facts.f_favail)
        }
    }

    @Sendable private static func hardDescriptorLimit() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return Int.max }
        return Int(clamping: limit.rlim_max)
    }

    @Sendable private static func interfacesWithAddresses() -> Set<String>? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return nil }
        defer { unsafe freeifaddrs(list) }
        var names: Set<String> = []
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard let family = unsafe entry.pointee.ifa_addr?.pointee.sa_family,
                family == sa_family_t(AF_INET) || family == sa_family_t(AF_INET6)
            else { continue }
            names.insert(unsafe String(cString: entry.pointee.ifa_name))
        }
        return names
    }

    // MARK: Files

    /// A number in a file of proc or sys; nil when there is none.
    static func number(in path: String) -> Int? { line(in: path).flatMap { Int($0) } }

    /// The first line of a short file; nil when it cannot be read.
    static func line(in path: String) -> String? {
        guard let file = unsafe fopen(path, "re") else { return nil }
        defer { unsafe fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = unsafe fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The names in a directory, in order; none when it cannot be read.
    static func names(in directory: String) -> [String] {
        guard let listing = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Whose a file is, its permission bits, and whether it is a directory; nil when there is none.
    public static func facts(
        of path: String
    ) -> (owner: UInt32, group: UInt32, mode: UInt32, isDirectory: Bool)? {
        var facts = dx_path()
        guard unsafe dx_path_facts(path, true, &facts) == 0 else { return nil }
        return (facts.owner, facts.group, facts.permissions, facts.is_directory)
    }

    /// What systemd says of the gateway's service, as `KEY=VALUE` lines; nil where it does not run this system, or does not answer this user:
    /// without a message bus it answers root alone, so root asks before it becomes somebody else.
    public func askService() -> String? {
        guard Self.facts(of: systemdMark) != nil else { return nil }
        let properties = "LoadState,ActiveState,UnitFileState,Result,NRestarts,LimitNOFILE,AmbientCapabilities"
        let command = "LC_ALL=C \(systemctl) show dxgateway.service --property=\(properties) 2>/dev/null"
        guard let pipe = unsafe popen(command, "re") else { return nil }
        var said = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe fread(&said, 1, said.count, pipe)
        guard unsafe pclose(pipe) == 0 else { return nil }
        return String(decoding: said.prefix(count), as: UTF8.self)
    }
}
