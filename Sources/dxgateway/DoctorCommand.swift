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
        // What this user may not see is looked at nevertheless, to say so: it is there, and nothing has to be made.
        if options.state == nil, config == nil {
            if GatewayPlace.isHidden(GatewayPlace.standardState) { subject.stateDirectory = StateOption.standard }
            if GatewayPlace.isHidden(GatewayPlace.standardConfiguration) {
                subject.configuration = GatewayPlace.standardConfiguration
            }
        }
        // A gateway that was named by its socket alone may have its files anywhere.
        if options.control != nil, options.state == nil, config == nil {
            (subject.stateDirectory, subject.configuration) = (nil, nil)
        }
        // The service is that of the usual places; what is elsewhere is run by somebody else.
        let isStandard =
            options.control == nil && options.state ?? StateOption.standard == StateOption.standard
            && config ?? GatewayPlace.standardConfiguration == GatewayPlace.standardConfiguration
        if isStandard { subject.service = DoctorHost().askService() }
        if let owned = subject.stateDirectory { StateOwner.become(of: owned) }
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
                subject.silenceRemedy = "name the one that is meant with --control"
            }
            return
        }
        do throws(ControlClientError) { subject.status = try await client.status().status } catch {
            switch error {
            case .notRunning(_, let reason): subject.silence = reason
            default:
                (subject.silence, subject.isSilenceWrong) = ("\(error)", true)
                subject.silenceRemedy = Self.remedy(for: error)
            }
            return
        }
        let path = client.path
        subject.checkNetwork = {
            try await ControlClient(path: path, timeoutSeconds: Self.networkSeconds).checkNetwork().report
        }
    }
}

extension DoctorCommand {
    /// What to do when a gateway runs and does not answer well; nil when it does not let this user ask.
    private static func remedy(for error: ControlClientError) -> String? {
        switch error {
        case .notRunning, .noPermission: nil
        case .timedOut, .broken, .ended: "journalctl -u dxgateway -n 50 says what it does; systemctl restart dxgateway"
        case .malformed: "install one version of the program, and restart the gateway: systemctl restart dxgateway"
        case .refused(let refusal): refusal.hint
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
    /// What is in the state directory of the system's own gateway when it is in a group.
    static let standardState = StateOption.standard + "/group.state"

    /// Whether this user may not even see if there is such a file.
    static func isHidden(_ path: String) -> Bool { DoctorHost.isHidden(path) }

    /// What was named, else what is in the usual places.
    init(config: String?, state: String?) {
        let isMember = unsafe access(Self.standardState, F_OK) == 0
        self.state = state ?? (config == nil && isMember ? StateOption.standard : nil)
        let isThere = unsafe access(Self.standardConfiguration, F_OK) == 0
        configuration = config ?? (isThere ? Self.standardConfiguration : nil)
    }
}
