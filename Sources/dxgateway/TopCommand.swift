import ArgumentParser
import DXControl
import DXTunnel
import Glibc
import NIOPosix
import Synchronization

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch a running gateway: throughput, round trips, loss and connections, live.",
        discussion: """
            Fills the terminal, and looks again every second. Keys: q ends it; tab shows peers, tunnels or both; the
            arrows, page up and down, home and end scroll; t, r, l, c and n sort by throughput, round trip, loss (of tunnels:
            refused connections), connections or name, and once more turns the order round.

            Rates are those between two looks; LOST is the part of the packets sent that was found lost meanwhile. A gateway
            that goes away is waited for, ten seconds.

              dxgateway top
              dxgateway top --control /run/dx/edge-1.sock
            """)

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let client = try options.client()
        let first: GatewayStatus
        do throws(ControlClientError) { first = try await client.status().status } catch { throw CommandFailure(error) }
        do throws(RawTerminal.Failure) {
            try RawTerminal.take(environment: ProgramEnvironment.variables)
        } catch {
            switch error {
            case .noTerminal:
                throw CommandFailure(
                    .failed,
                    "top needs a terminal that can move its cursor: for programs there is dxgateway status --json")
            case .system(let code):
                throw CommandFailure(
                    .failed, "the terminal cannot be taken over (\(unsafe String(cString: strerror(code))))")
            }
        }
        defer { RawTerminal.giveBack() }
        var watch = TopWatch(client: ControlClient(path: client.path, timeoutSeconds: 5), first: first)
        do { try await watch.run() } catch {
            // Before the reason is told, on the screen where it stays.
            RawTerminal.giveBack()
            throw error
        }
    }
}

/// Looks, draws and listens to keys, until `q` or until the gateway is gone for good.
private struct TopWatch {
    let client: ControlClient
    private var samples: (before: GatewayStatus?, now: GatewayStatus)
    private var state = TopState()
    private var failure: (error: ControlClientError, since: ContinuousClock.Instant)?
    private var look: Task<Void, Never>?
    private var next = ContinuousClock.now
    private let answers = AnswerBox()

    /// Between two looks.
    private static let interval = Duration.seconds(1)
    /// A gateway that is started anew is back by then.
    private static let patience = Duration.seconds(10)

    init(client: ControlClient, first: GatewayStatus) {
        self.client = client
        samples = (nil, first)
        next = .now + Self.interval
    }

    mutating func run() async throws {
        let hasColors = Terminal.standardOutput(environment: ProgramEnvironment.variables).hasColors
        defer { look?.cancel() }
        while true {
            let size = RawTerminal.size
            let layout = TopLayout(
                before: samples.before, status: samples.now, state: state, trouble: trouble, width: size.width,
                height: size.height)
            RawTerminal.show(layout.lines, hasColors: hasColors)
            let now = ContinuousClock.now
            if look == nil, now >= next { beginLook(at: now) }
            // An answer, a key and another size all end the wait; while one is waited for, time says nothing.
            let pause = look == nil ? next - .now : Self.interval
            guard let keys = try await wait(pause) else { return }
            for key in keys {
                switch state.press(key, rowCount: layout.rowCount, mostRows: layout.mostRows) {
                case .draw: break
                case .quit: return
                case .suspend: try RawTerminal.suspend(environment: ProgramEnvironment.variables)
                }
            }
            try takeAnswer()
        }
    }

    /// Why the newest figures are not of now.
    private var trouble: String? {
        failure.map { "no answer for \(($0.since.duration(to: .now)).components.seconds) s: \($0.error)" }
    }

    /// Waits on a thread of its own: on a small device the others are too few to block one.
    private func wait(_ pause: Duration) async throws -> [TerminalKey]? {
        let (seconds, attoseconds) = max(.zero, pause).components
        let milliseconds = Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000) + 1
        return try await NIOThreadPool.singleton.runIfActive { RawTerminal.wait(milliseconds: milliseconds) }
    }

    private mutating func beginLook(at now: ContinuousClock.Instant) {
        next = now + Self.interval
        look = Task { [client, answers] in
            do throws(ControlClientError) {
                answers.put(.success(try await client.status().status))
            } catch { answers.put(.failure(error)) }
            RawTerminal.wake()
        }
    }

    private mutating func takeAnswer() throws {
        guard let answer = answers.take() else { return }
        look = nil
        switch answer {
        case .success(let status):
            samples = (samples.now, status)
            failure = nil
        case .failure(let error):
            let since = failure?.since ?? .now
            failure = (error, since)
            if since.duration(to: .now) >= Self.patience { throw CommandFailure(error) }
        }
    }
}

/// Where an answer waits for the one who draws.
private final class AnswerBox: Sendable {
    private let answer = Mutex<Result<GatewayStatus, ControlClientError>?>(nil)

    func put(_ value: Result<GatewayStatus, ControlClientError>) { answer.withLock { $0 = value } }

    func take() -> Result<GatewayStatus, ControlClientError>? {
        answer.withLock { answer in
            defer { answer = nil }
            return answer
        }
    }
}
