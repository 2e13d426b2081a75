import Glibc

/// What the person who runs the tests asks for.
enum ProcessEnvironment {
    /// Whether a variable is set.
    static func has(_ name: String) -> Bool { unsafe getenv(name) != nil }
}
