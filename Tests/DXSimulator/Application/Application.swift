public import DXStream
public import DXWire

/// What runs on top of a channel in a simulation: reacts to events, acts at times of its own choice, and says when it
/// has seen everything that it expects. Throws when something is not as it must be.
public protocol Application: AnyObject {
    /// Takes an event of the channel.
    func handle(_ event: ChannelEvent, channel: inout MessageChannel, now: Instant) throws(SimulationFailure)
    /// When it wants to act; nil when only events can move it.
    var nextActionAt: Instant? { get }
    /// Acts. Called when the time has come, and after every other input, when it does nothing unless something is due.
    func act(channel: inout MessageChannel, now: Instant) throws(SimulationFailure)
    /// Whether everything expected has happened.
    var isDone: Bool { get }
    /// What has not happened yet, for the message of a failure.
    var waitingFor: String { get }
}
