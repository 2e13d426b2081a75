public import DXTunnel

/// Looks at what a gateway needs: its files, its host, its network. It changes nothing, and works with the gateway running or not.
public struct Doctor: Sendable {
    /// Which gateway is meant.
    public struct Subject: Sendable {
        /// The state directory of a gateway that is in a group.
        public var stateDirectory: String?
        /// Its configuration file.
        public var configuration: String?
        /// What the gateway says of itself; nil when none answers.
        public var status: GatewayStatus?
        /// Why none answers.
        public var silence: String?
        /// Whether the silence is of one who runs and does not let this user ask, or does not answer well.
        public var isSilenceWrong = false
        /// What to do about it; nil: ask as somebody who may.
        public var silenceRemedy: String?
        /// What systemd says of its service (`DoctorHost.askService`); nil when nothing is known.
        public var service: String?
        /// Looks at the network by the running gateway.
        public var checkNetwork: (@Sendable () async throws -> NetworkReport)?

        /// A gateway of which nothing is known.
        public init() {}
    }

    /// What the files say, as far as later checks need it.
    struct Setup: Sendable {
        var listen: HostAddress?
        var tcp: [HostAddress] = []
        /// Names that have to lead somewhere.
        var names: [String] = []
        var matchmakers: [MatchmakerAddress] = []
        var limits = GatewayConfiguration.Limits()
        /// Where it writes.
        var directory: String?
    }

    let subject: Subject
    let host: DoctorHost

    /// A look at this gateway on this host.
    public init(_ subject: Subject, host: DoctorHost = DoctorHost()) {
        self.subject = subject
        self.host = host
    }

    /// Looks at everything, one after the other; takes some seconds where there are matchmakers to ask.
    public func run() async -> DoctorReport {
        var setup = Setup()
        var findings = gateway() + configuration(&setup) + state(&setup)
        findings += await ports(setup)
        findings += buffers(setup) + offloads() + interfaces() + clock() + disk(setup) + descriptors(setup) + unit()
        findings += await names(setup)
        findings += await matchmakers(setup)
        return DoctorReport(findings)
    }

    // MARK: The gateway

    private func gateway() -> [DoctorFinding] {
        guard let status = subject.status else {
            let reason = subject.silence.map { " (\($0))" } ?? ""
            return [
                subject.isSilenceWrong
                    ? DoctorFinding(
                        "gateway", .fail, "it cannot be asked\(reason)",
                        remedy: subject.silenceRemedy ?? "run this as the gateway's user, or as root")
                    : DoctorFinding(
                        "gateway", .warn, "none is running\(reason)",
                        remedy: "start it: systemctl start dxgateway, or dxgateway run")
            ]
        }
        let problems = status.problems
        guard let first = problems.first else {
            return [DoctorFinding("gateway", .ok, "\(status.name) runs and is healthy, version \(status.version)")]
        }
        let more = problems.count > 1 ? " (and \(problems.count - 1) more)" : ""
        return [
            DoctorFinding(
                "gateway", .fail, "\(status.name) is not healthy: \(first)\(more)",
                remedy: "dxgateway status says what to do")
        ]
    }

    /// The file, as the program would read it; what it says goes into `setup`.
    private func configuration(_ setup: inout Setup) -> [DoctorFinding] {
        guard let path = subject.configuration else {
            guard subject.stateDirectory == nil, subject.status == nil else { return [] }
            return [
                DoctorFinding(
                    "config", .fail, "there is neither a group nor a configuration file",
                    remedy: "dxgateway init or join makes a group; --state and --config name what is elsewhere")
            ]
        }
        do throws(ConfigurationFileError) {
            if subject.stateDirectory != nil {
                let settings = try GatewayConfigurationFile.settings(path: path)
                (setup.listen, setup.limits) = (settings.listen, settings.limits)
            } else {
                let configuration = try GatewayConfigurationFile(path: path).configuration
                setup.take(configuration)
                setup.directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
            }
            return [DoctorFinding("config", .ok, "\(path) is good")]
        } catch {
            // The package's own file, before the host is in a group: nothing has to be added to it.
            if subject.stateDirectory == nil, subject.status == nil,
                (try? GatewayConfigurationFile.settings(path: path)) != nil
            {
                return [
                    DoctorFinding(
                        "config", .fail, "this host is in no group yet; \(path) is good for a gateway in one",
                        remedy: "dxgateway join - < TOKENFILE enters a group, dxgateway init makes one")
                ]
            }
            let more = error.problems.count > 1 ? " (and \(error.problems.count - 1) more)" : ""
            return error.problems.prefix(1).map { problem in
                let place = problem.position.map { "\(problem.file):\($0.line):\($0.column)" } ?? problem.file
                return DoctorFinding("config", .fail, "\(place): \(problem.message)\(more)", remedy: problem.remedy)
            }
        }
    }

    /// The directory of a gateway in a group: whose it is, and whether all in it can be read and is whole.
    private func state(_ setup: inout Setup) -> [DoctorFinding] {
        guard let path = subject.stateDirectory else { return [] }
        setup.directory = path
        if subject.configuration == nil { setup.listen = LocalSettings().listen }
        guard let facts = DoctorHost.facts(of: path) else {
            let isHidden = DoctorHost.isHidden(path)
            return [
                DoctorFinding(
                    "state", .fail, isHidden ? "\(path) is not to be seen by this user" : "\(path) is not there",
                    remedy: isHidden
                        ? "run this as root, which looks as the gateway's user" : "dxgateway init or join makes it")
            ]
        }
        guard facts.isDirectory else {
            return [
                DoctorFinding(
                    "state", .fail, "\(path) is no directory", remedy: "name the state directory with --state")
            ]
        }
        guard facts.mode & 0o077 == 0 else {
            return [
                DoctorFinding(
                    "state", .fail, "\(path) is open to others (mode 0\(String(facts.mode, radix: 8)))",
                    remedy: "chmod 700 \(path)")
            ]
        }
        guard DoctorHost.isWritable(path) else {
            return [
                DoctorFinding(
                    "state", .fail, "\(path) cannot be written by this user (it is of user \(facts.owner))",
                    remedy: "run this as root or as that user; else give it to the gateway's user: chown")
            ]
        }
        do throws(StateProblem) {
            let summary = try GroupSummary(stateDirectory: path)
            setup.matchmakers = summary.matchmakers.compactMap { try? MatchmakerAddress($0) }
            // One that is a service may have no more than SRV records, which the look at matchmakers follows.
            setup.names += setup.matchmakers.filter { !$0.isService }.map(\.address.host)
            let refused = summary.refusedRecords
            guard refused == 0 else {
                return [
                    DoctorFinding(
                        "state", .warn, "\(refused) records of the group in \(path) do not verify and are left out",
                        remedy: "they come anew from other members; look for a failing disk")
                ]
            }
            let members = summary.members.count == 1 ? "1 member" : "\(summary.members.count) members"
            return [
                DoctorFinding(
                    "state", .ok,
                    "\(path) is whole: group \(summary.group), \(members), epoch \(summary.epoch)"
                )
            ]
        } catch {
            return [DoctorFinding("state", .fail, "\(error.path): \(error.message)", remedy: error.remedy)]
        }
    }

    // MARK: Ports

    /// Whether what it listens on can be had; of one that runs, what it has.
    private func ports(_ setup: Setup) async -> [DoctorFinding] {
        if let status = subject.status {
            return [DoctorFinding("ports", .ok, "listens on \(status.listen.joined(separator: ", "))")]
        }
        // One that runs and cannot be asked has its ports, and cannot say so.
        guard !subject.isSilenceWrong else { return [] }
        var findings: [DoctorFinding] = []
        if let listen = setup.listen, listen.port != 0,
            let problem = await DoctorPort.udpProblem(host: listen.host, port: listen.port)
        {
            findings += portFindings("UDP \(listen)", listen.port, problem)
        }
        for address in setup.tcp where address.port != 0 {
            if let problem = await DoctorPort.tcpProblem(host: address.host, port: address.port) {
                findings += portFindings("TCP \(address)", address.port, problem)
            }
        }
        guard findings.isEmpty, let listen = setup.listen else { return findings }
        let tunnels = setup.tcp.isEmpty ? "" : ", and TCP for \(setup.tcp.count) tunnels"
        return [DoctorFinding("ports", .ok, "UDP \(listen) can be had\(tunnels)")]
    }

    /// A port that cannot be had; none of one that only the service may have.
    func portFindings(_ what: String, _ port: UInt16, _ problem: String) -> [DoctorFinding] {
        let isForbidden = port < 1_024 && problem.contains("denied")
        if isForbidden, unitMayTakeLowPorts { return [] }
        let remedy =
            isForbidden
            ? "take a port from 1024 on, or give the service CAP_NET_BIND_SERVICE (docs/packaging.md)"
            : "find who has it with ss -lpn, or change the address"
        return [DoctorFinding("ports", .fail, "\(what) cannot be had: \(problem)", remedy: remedy)]
    }
}

extension Doctor.Setup {
    /// What a configuration without a group says.
    mutating func take(_ configuration: GatewayConfiguration) {
        listen = configuration.listen
        limits = configuration.limits
        tcp = configuration.tunnels.filter { $0.networkProtocol == .tcp }.flatMap(\.origins)
            .filter { $0.gateway == configuration.name }.compactMap(\.listen)
        names = configuration.peers.flatMap(\.addresses).map(\.host)
    }
}
