public import ArgumentParser
public import DXControl
public import DXSocket
public import Logging

/// The formats of log lines, as arguments.
extension LineLogHandler.Format: ExpressibleByArgument {}
/// The levels of logging, as arguments.
extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Addresses, as arguments.
extension ListenAddress: ExpressibleByArgument {
    /// Nil for what is none: the argument parser says so.
    public init?(argument: String) {
        guard let address = try? ListenAddress(text: argument) else { return nil }
        self = address
    }
}
