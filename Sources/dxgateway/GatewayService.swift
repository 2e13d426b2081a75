import DXControl
import Glibc

/// The service that the Debian package brings, and what can be known of a gateway that does not answer.
enum GatewayService {
    /// Where the package puts its unit.
    private static let unit = "/lib/systemd/system/dxgateway.service"

    /// Whether this host has it.
    static var isInstalled: Bool { unsafe access(unit, F_OK) == 0 }

    /// Why no gateway answers at the usual place or the one of `state`, and what to do.
    static func silence(_ reason: String, state: String?) -> CommandFailure {
        let directory = state ?? StateOption.standard
        let isService = isInstalled && directory == StateOption.standard
        if isLocked(directory) {
            return CommandFailure(
                .notRunning,
                "no gateway answers yet: one is starting, or joining a group, in \(directory); its log says how far it is"
                    + (isService ? ": journalctl -u dxgateway" : ""))
        }
        let start =
            isService
            ? "start it with systemctl start dxgateway (journalctl -u dxgateway says why it ended)"
            : "start one with dxgateway run"
        return CommandFailure(
            .notRunning, "no gateway is running: \(reason); \(start), or name its socket with --control")
    }

    /// Whether some process works in a state directory. Nothing is changed; who takes the lock at this moment tries again.
    private static func isLocked(_ directory: String) -> Bool {
        let lock = unsafe open(directory + "/lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard lock >= 0 else { return false }
        defer { close(lock) }
        return flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
