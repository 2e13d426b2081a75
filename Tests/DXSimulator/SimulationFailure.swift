/// What went wrong in a simulation, in words for people. Thrown by the simulator and by the applications that run on
/// it; the runner adds the seed and the command that replays it.
public struct SimulationFailure: Error, CustomStringConvertible, Sendable {
    /// What was expected and what was seen.
    public let description: String

    /// A failure with this text.
    public init(_ description: String) { self.description = description }

    /// Throws a failure when `condition` is false.
    public static func unless(
        _ condition: Bool, _ text: @autoclosure () -> String
    ) throws(SimulationFailure) {
        if !condition { throw SimulationFailure(text()) }
    }
}
