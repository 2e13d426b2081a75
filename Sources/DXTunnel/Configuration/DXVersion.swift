/// The version of this software.
public enum DXVersion {
    /// The version as semver.org writes it.
    public static let current = "0.1.0"
}
