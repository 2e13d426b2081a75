/// Why a command about the group was refused. The description is for the user and says what to do.
public struct GroupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind, for programs.
    public enum Code: String, Sendable, Hashable, Codable {
        /// The gateway is in no group: it runs from a configuration file alone.
        case noGroup = "no_group"
        /// This gateway may not sign for the group.
        case notAdmin = "not_admin"
        /// What was asked for makes no sense.
        case badRequest = "bad_request"
        /// There is no such member, tunnel or invitation.
        case notFound = "not_found"
        /// It is there already, or would take something away that is needed.
        case conflict
        /// The gateway that it is for is not connected.
        case notConnected = "not_connected"
        /// The gateway that it is for did not answer in time.
        case timedOut = "timed_out"
        /// It was done, or could not be done, but something inside failed.
        case failed
    }

    /// The kind.
    public let code: Code
    /// What is wrong.
    public let message: String
    /// What to do, as an instruction.
    public let hint: String

    init(_ code: Code, _ message: String, _ hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// `message; hint`.
    public var description: String { "\(message); \(hint)" }
}
