import ArgumentParser
import DXControl
import DXTunnel
import Glibc

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at all that a gateway needs on this host, and say what to mend.",
        discussion: """
            Looks at the configuration and the state directory, ports, socket buffers, offloads, interfaces, the clock, the disk,
            descriptors, the service, names and matchmakers, and changes nothing. It works with the gateway running or not. Run
            by root it looks as the user who owns the state directory, as that one's rights are what counts.

            Each finding is ok, warn or FAIL, and says what to do. Ends with 0 when nothing failed, else with 1.

              sudo dxgateway doctor
              dxgateway doctor --state edge
              dxgateway doctor --config gateway.yaml --json
            """)

    @Option(
        help: ArgumentHelp("The configuration file (default: /etc/dx/gateway.yaml if it is there).", valueName: "file"),
        completion: .file())
    var config: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    /// Longer than a look at the network takes.
    private static let networkSeconds = 20

    func run() async throws {
        let place = GatewayPlace(config: config, state: options.state)
        var subject = Doctor.Subject()
        (subject.stateDirectory, subject.configuration) = (place.state, place.configuration)
        // A gateway that was named by its socket alone may have its files anywhere.
        if options.control != nil, options.state == nil, config == nil {
            (subject.stateDirectory, subject.configuration) = (nil, nil)
        }
        subject.service = DoctorHost().askService()
        if let owned = subject.stateDirectory { DoctorUser.become(ownerOf: owned) }
        await ask(&subject)
        let findings = await ProgressLine.during("looking at this host and its network") {
            await Doctor(subject).run()
        }
        if json { try Output.json(findings) } else { Output.line(findings.text(terminal: .output)) }
        if !findings.healthy { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    /// What the gateway says of itself, if one runs.
    private func ask(_ subject: inout Doctor.Subject) async {
        let client: ControlClient
        do { client = try options.client() } catch {
            subject.silence = (error as? CommandFailure)?.code == .notRunning ? nil : "\(error)"
            if let failure = error as? CommandFailure, failure.code != .notRunning {
                // Several may be meant.
                (subject.silence, subject.isSilenceWrong) = (failure.message, true)
            }
            return
        }
        do throws(ControlClientError) { subject.status = try await client.status().status } catch {
            switch error {
            case .notRunning(_, let reason): subject.silence = reason
            default: (subject.silence, subject.isSilenceWrong) = ("\(error)", true)
            }
            return
        }
        let path = client.path
        subject.checkNetwork = {
            try await ControlClient(path: path, timeoutSeconds: Self.networkSeconds).checkNetwork().report
        }
    }
}

/// Where a gateway has its files, as `dxgateway run` decides it.
struct GatewayPlace {
    /// Its state directory; nil of one that is in no group.
    let state: String?
    /// Its file; nil when there is none.
    let configuration: String?

    /// Where the system's own gateway has its file.
    static let standardConfiguration = "/etc/dx/gateway.yaml"

    /// What was named, else what is in the usual places.
    init(config: String?, state: String?) {
        let isMember = unsafe access(StateOption.standard + "/group.state", F_OK) == 0
        self.state = state ?? (config == nil && isMember ? StateOption.standard : nil)
        let isThere = unsafe access(Self.standardConfiguration, F_OK) == 0
        configuration = config ?? (isThere ? Self.standardConfiguration : nil)
    }
}

/// The user as whom the doctor looks.
private enum DoctorUser {
    /// As root: becomes the owner of a directory, for good. What root may do says nothing of what the gateway may.
    static func become(ownerOf directory: String) {
        guard geteuid() == 0, let facts = DoctorHost.facts(of: directory), facts.owner != 0 else { return }
        _ = setgroups(0, nil)
        guard setgid(facts.group) == 0, setuid(facts.owner) == 0 else { return }
    }
}
