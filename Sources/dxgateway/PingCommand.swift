import ArgumentParser
import DXControl

struct PingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Measure the round trip to a peer, through both gateways and their channel.",
        discussion: """
            Ends with 0 when at least one probe was answered, as ping(8) does.

              dxgateway ping cloud-1
              dxgateway ping cloud-1 --count 10 --json
            """)

    @Argument(help: "The peer's name, or the first 8 or more characters of its gateway id.", completion: .peers)
    var peer: String

    @Option(help: ArgumentHelp("How many probes, 1 to 100.", valueName: "number"))
    var count = 4

    @Flag(help: "Print JSON, after the last probe.")
    var json = false

    @OptionGroup var options: ControlOptions

    /// Between probes: short for a person, long beside most round trips.
    private static let pause = Duration.milliseconds(250)

    func validate() throws {
        guard (1...PingRequest.maximumCount).contains(count) else {
            throw ValidationError("--count must be 1 to \(PingRequest.maximumCount)")
        }
    }

    func run() async throws {
        let client = try options.client()
        var total = PingReply(peer: peer, sent: 0, rttMicroseconds: [])
        while total.sent < count {
            if total.sent > 0 { try await Task.sleep(for: Self.pause) }
            let reply: PingReply
            do throws(ControlClientError) {
                reply = try await ProgressLine.during("probe \(total.sent + 1) of \(count) to \(peer)") {
                    () async throws(ControlClientError) in try await client.ping(PingRequest(peer: peer)).reply
                }
            } catch {
                // The session may go away between two probes: what was measured is shown all the same.
                guard case .refused(let refusal) = error, total.sent > 0 else { throw CommandFailure(error) }
                total.sent += 1
                total.lastError = refusal.message
                break
            }
            total.sent += reply.sent
            total.rttMicroseconds += reply.rttMicroseconds
            total.lastError = reply.lastError ?? total.lastError
            guard !json else { continue }
            let result = reply.rttMicroseconds.first.map(PingSummary.text(rttMicroseconds:)) ?? reply.lastError
            Output.line("\(peer): \(result ?? "no answer")")
        }
        if json {
            try Output.json(total)
        } else {
            Output.line("\(PingSummary(sent: total.sent, rttMicroseconds: total.rttMicroseconds))")
        }
        if total.rttMicroseconds.isEmpty { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
