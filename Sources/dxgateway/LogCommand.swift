import ArgumentParser
import DXControl

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Show what the gateway logs at least, or change it while it runs.",
        discussion: """
            Lines go where they went; a change holds until the next one, until the gateway ends, or for a time.

              dxgateway log
              dxgateway log debug --for 10m
              dxgateway log info
            """)

    @Argument(help: "The least level that is logged from now on.")
    var level: LogLevel?

    @Option(name: .customLong("for"), help: ArgumentHelp("After that it is the usual one again.", valueName: "time"))
    var time: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard let time else { return }
        guard level != nil else { throw ValidationError("--for goes with a level") }
        guard let duration = Quantity.duration(time), (1...86_400).contains(duration.components.seconds) else {
            throw ValidationError("--for is a time of 1s to 24h, such as 10m")
        }
    }

    func run() async throws {
        let request = level.map {
            LogRequest(level: $0.rawValue, seconds: time.flatMap(Quantity.duration).map { Int($0.components.seconds) })
        }
        let (reply, text) = try await options.group(
            request == nil ? .get : .post, "/v1/log", request, as: LogReply.self)
        if json { return Output.line(text) }
        let left = reply.secondsLeft.map { "; \(reply.usual) again in \($0) s" } ?? ""
        Output.line("logs \(reply.level) and above\(left)")
    }
}
