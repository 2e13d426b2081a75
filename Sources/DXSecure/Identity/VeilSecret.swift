/// A group key file's secret: 32 bytes from which the veil keys come (`docs/wire-format.md` §3). Zeroed when freed.
public final class VeilSecret: Sendable {
    init() {}

    /// A new random secret.
    public static func generate() -> VeilSecret { fatalError() }

    /// Reads a file of one line, `dxveil1:` and base64url of 32 bytes, under the rules of `Identity.read`.
    public static func read(from path: String) throws(KeyFileError) -> VeilSecret { fatalError() }

    /// Writes such a file, as `Identity.write` does.
    public func write(to path: String) throws(KeyFileError) { fatalError() }
}
