import DXControl
import DXTunnel
import FoundationEssentials
import Glibc
import Logging
import ServiceLifecycle

/// Has another start of this program take over, when an operator asks for it (`docs/restart.md`).
///
/// Nothing changes as long as the other start has not said that it could begin. If it fails after that, the program that runs is started
/// once more, whatever has become of its file; if that fails too, this one ends, and whoever watches it starts it anew.
actor Restarter: RestartControl {
    private let gateway: Gateway
    private let terms: SuccessionTerms
    private let drainTime: Duration
    private let manager: ServiceManager?
    /// This start took over from another; whoever its parent was has ended.
    private let isSuccessor: Bool
    private let logger: Logger
    /// Called when the other start runs, with the time for what is open; and when there is none and this one is of no use any more.
    private let onSucceeded: @Sendable (Duration) async -> Void
    private let onLost: @Sendable () async -> Void
    private var isRestarting = false
    /// The program was told to stop.
    private var isStopping = false

    /// Reading the settings takes a small device a second; a name in them that is looked up, some.
    private static let readyTime = Duration.seconds(30)
    private static let startTime = Duration.seconds(60)

    init(
        _ gateway: Gateway, terms: SuccessionTerms, drainTime: Duration, manager: ServiceManager?, isSuccessor: Bool,
        logger: Logger,
        onSucceeded: @escaping @Sendable (Duration) async -> Void, onLost: @escaping @Sendable () async -> Void
    ) {
        self.gateway = gateway
        self.terms = terms
        self.drainTime = drainTime
        self.manager = manager
        self.isSuccessor = isSuccessor
        self.logger = logger
        self.onSucceeded = onSucceeded
        self.onLost = onLost
    }

    /// The program is told to stop: nothing is begun any more.
    func stop() { isStopping = true }

    /// In a task of its own: whoever asked may go away in the middle, and the server that took the question ends before this does.
    func restart(drain: Duration?) async throws -> RestartReply {
        try await Task { try await begin(drain: drain) }.value
    }

    private func begin(drain: Duration?) async throws -> RestartReply {
        guard !isRestarting else {
            throw ControlError(
                code: .conflict, message: "it is being restarted already", hint: "dxgateway status shows the new one")
        }
        guard !isStopping, !((try? await gateway.isDraining()) ?? false) else {
            throw ControlError(
                code: .conflict, message: "it is draining: it is about to stop",
                hint: "if it is not, dxgateway drain --end takes connections again")
        }
        guard isSuccessor || manager != nil || !Self.isContainersOwn else {
            throw ControlError(
                code: .conflict, message: "this gateway is the first process of a container, which ends with it",
                hint: "start a container of the new image, and stop this one with a time to drain")
        }
        isRestarting = true
        let (process, found): (SuccessorProcess, SuccessionTerms)
        do {
            guard let program = SuccessorProcess.newProgram else {
                throw Self.refusal("the program's file is not known")
            }
            (process, found) = try await begin(program)
        } catch {
            isRestarting = false
            throw error
        }
        let bequest: Bequest
        do { bequest = try await gateway.bequeath() } catch {
            isRestarting = false
            await process.end()
            throw error
        }
        defer { for descriptor in bequest.descriptors { close(descriptor) } }
        let successor = try await handOver(bequest, to: process)
        await manager?.handOver(to: successor.id)
        let open = (try? await gateway.openConnections()) ?? 0
        logger.notice(
            "another start has taken over",
            metadata: ["pid": "\(successor.id)", "version": "\(found.version)", "open_connections": "\(open)"])
        await onSucceeded(drain ?? drainTime)
        return RestartReply(
            pid: successor.id, version: found.version, versionBefore: terms.version, openConnections: open)
    }

    /// Whether a container ends with this process: it is its first one, or that one's child, which is no service manager.
    private static var isContainersOwn: Bool {
        guard getpid() != 1 else { return true }
        guard getppid() == 1 else { return false }
        let first = (try? String(contentsOfFile: "/proc/1/comm", encoding: .utf8))?.split(separator: "\n").first ?? ""
        return !["systemd", "init"].contains(first)
    }

    /// Starts a program and waits until it says that it could begin.
    private func begin(_ program: String) async throws -> (SuccessorProcess, SuccessionTerms) {
        let process: SuccessorProcess
        do { process = try SuccessorProcess(program: program) } catch { throw Self.refusal("\(error)") }
        do {
            switch try await process.link.receive(within: Self.readyTime) {
            case .ready(let found):
                if let conflict = terms.conflict(with: found) {
                    throw Self.refusal("\(conflict): stop it and start it again for that")
                }
                return (process, found)
            case .failed(let reason): throw Self.refusal(reason)
            case .started, .bequest: throw Self.refusal("the new program says what makes no sense")
            }
        } catch {
            // It may say with its status what it could not say otherwise.
            let ending = await process.ending(within: .seconds(1))
            if ending == nil { await process.end() }
            throw error is ControlError ? error : Self.refusal("\(program): \(ending ?? "\(error)")")
        }
    }

    private static func refusal(_ reason: String) -> ControlError {
        ControlError(
            code: .failed, message: "nothing has changed, the gateway runs on: \(reason)",
            hint: "see its log; dxgateway config validate looks at a file")
    }

    /// Leaves everything to the process, or to another start of the program that runs.
    private func handOver(_ bequest: Bequest, to first: SuccessorProcess) async throws -> SuccessorProcess {
        do { return try await leave(bequest, to: first) } catch {
            logger.error(
                "the new program could not take over: the old one is started again", metadata: ["error": "\(error)"])
            await first.end()
            // What ended it was meant for this one, too.
            guard !isStopping else {
                await onLost()
                throw error
            }
        }
        do {
            let (process, _) = try await begin(SuccessorProcess.ownProgram)
            do { return try await leave(bequest, to: process) } catch {
                await process.end()
                throw error
            }
        } catch {
            logger.critical("nobody could take over: this gateway ends", metadata: ["error": "\(error)"])
            await onLost()
            throw error
        }
    }

    private func leave(_ bequest: Bequest, to process: SuccessorProcess) async throws -> SuccessorProcess {
        try await process.link.leave(Array(JSONEncoder().encode(bequest)), bequest.descriptors)
        switch try await process.link.receive(within: Self.startTime) {
        case .started: return process
        case .failed(let reason): throw Self.refusal(reason)
        case .ready, .bequest: throw Self.refusal("the new program says what makes no sense")
        }
    }
}
