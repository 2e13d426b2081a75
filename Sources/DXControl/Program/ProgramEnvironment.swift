import Glibc

/// The environment of the process, as far as the programs read it.
public enum ProgramEnvironment {
    /// Where the control socket is looked for, what the terminal can, and what a service manager says.
    private static let names = [
        "DX_CONTROL", "XDG_RUNTIME_DIR", "NO_COLOR", "TERM", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
    ]

    /// The variables that are set.
    public static var variables: [String: String] {
        var variables: [String: String] = [:]
        for name in names {
            guard let value = unsafe getenv(name) else { continue }
            variables[name] = unsafe String(cString: value)
        }
        return variables
    }
}
