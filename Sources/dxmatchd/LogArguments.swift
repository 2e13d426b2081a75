public import ArgumentParser
public import DXControl
public import Logging

/// The formats of log lines, as arguments.
extension LineLogHandler.Format: ExpressibleByArgument {}
/// The levels of logging, as arguments.
extension Logger.Level: @retroactive ExpressibleByArgument {}
