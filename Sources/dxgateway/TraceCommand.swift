import ArgumentParser
import DXControl
import DXTunnel
import Glibc
import UnixSignals

struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Write down what the channel to a peer does, packet by packet, as qlog.",
        discussion: """
            Packets sent and received with their frames, acknowledgements, losses, round trips, the congestion window and
            paths, for some seconds, into a file that qvis (https://qvis.quictools.info) and other readers of qlog open. Nothing
            of what tunnels carry is in it, no key, and no address unless --addresses says so. Ctrl-C ends it sooner.

              dxgateway trace cloud-1
              dxgateway trace cloud-1 --seconds 60 --out slow.sqlog
              dxgateway trace cloud-1 --out - | head
            """)

    @Argument(help: "The peer's name, or the first 8 or more characters of its gateway id.", completion: .peers)
    var peer: String

    @Option(help: ArgumentHelp("For how long, 1 to 3600 s.", valueName: "number"))
    var seconds = 10

    @Option(
        help: ArgumentHelp(
            "The file to make, readable by its owner alone; - is standard output. PEER.sqlog when absent.",
            valueName: "path"),
        completion: .file(extensions: ["sqlog"]))
    var out: String?

    @Flag(help: "Take the place of a file of that name.")
    var force = false

    @Flag(help: "Also write which addresses paths lead over.")
    var addresses = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        let longest = Int(ChannelTrace.longest.components.seconds)
        guard (1...longest).contains(seconds) else { throw ValidationError("--seconds must be 1 to \(longest)") }
        guard out?.isEmpty != true else { throw ValidationError("--out must name a file, or be -") }
    }

    func run() async throws {
        let client = try options.client()
        let path = out ?? "\(peer).sqlog"
        let file = TraceFile(path: path == "-" ? nil : path, isForced: force)
        do { try file.check() } catch { throw CommandFailure(.failed, "\(error)") }
        // A pipe that nobody reads is an error to be told, not the end of the program.
        signal(SIGPIPE, SIG_IGN)
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let isShown = isatty(STDERR_FILENO) == 1 && (path != "-" || isatty(STDOUT_FILENO) == 0)
        let problem = await withTaskGroup(of: CommandFailure?.self) { [self] tasks in
            tasks.addTask { await trace(client, into: file) }
            tasks.addTask {
                for await _ in signals { break }
                return nil
            }
            // Else it would be noticed with the next event, which may be a while in coming.
            if path == "-" {
                tasks.addTask {
                    while Output.isRead, (try? await Task.sleep(for: Self.look)) != nil {}
                    return nil
                }
            }
            // A task that never is the first to end.
            let progress = Task { if isShown { await showProgress(of: file) } }
            let first = await tasks.next() ?? nil
            tasks.cancelAll()
            // What has come is written.
            await tasks.waitForAll()
            progress.cancel()
            await progress.value
            return first
        }
        await file.close()
        let written = await file.written
        if written.bytes > 0 { say(summary(written, file.name), isResult: path != "-", isShown: isShown) }
        if let problem { throw problem }
    }

    /// Until it is over; why it could not be.
    private func trace(_ client: ControlClient, into file: TraceFile) async -> CommandFailure? {
        do {
            try await client.trace(of: ControlOptions.escaped(peer), seconds: seconds, addresses: addresses) { part in
                try await file.take(part)
            }
        } catch is CancellationError {
        } catch TraceFile.Problem.nobodyReads {
        } catch let error as TraceFile.Problem {
            return CommandFailure(.failed, "\(error)")
        } catch let error as ControlClientError {
            // Ended from here.
            return Task.isCancelled ? nil : CommandFailure(error)
        } catch { return CommandFailure(.failed, "\(error)") }
        return nil
    }

    private func showProgress(of file: TraceFile) async {
        let start = ContinuousClock.now
        while (try? await Task.sleep(for: Self.pause)) != nil {
            let passed = (ContinuousClock.now - start).components.seconds
            let written = await file.written
            Output.status("tracing \(peer), \(min(Int(passed), seconds)) of \(seconds) s, \(written.events) events")
        }
        Output.status("")
    }

    /// How often it is looked whether anybody reads.
    private static let look = Duration.seconds(1)
    /// Between two looks at what there is.
    private static let pause = Duration.milliseconds(250)

    private func say(_ text: String, isResult: Bool, isShown: Bool) {
        if isResult { Output.line(text) } else if isShown { Output.error(text) }
    }

    private func summary(_ written: TraceFile.Written, _ name: String) -> String {
        var text = "\(name): \(written.events) events, \(written.bytes) bytes"
        if written.lost > 0 { text += "; \(written.lost) more were too many to write, where dx:records_lost says so" }
        if written.end == ChannelTrace.End.channel.rawValue { text += "; the channel to \(peer) ended" }
        return text
    }
}
