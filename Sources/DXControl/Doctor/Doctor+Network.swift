import DXTunnel
import Glibc
import NIOPosix

/// What the network gives.
extension Doctor {
    /// Whether the names of peers and matchmakers lead somewhere.
    func names(_ setup: Setup) async -> [DoctorFinding] {
        let names = Set(setup.names.filter { !$0.isEmpty && !Self.isAddress($0) }).sorted()
        guard !names.isEmpty else { return [] }
        var findings: [DoctorFinding] = []
        for name in names {
            let problem: String?
            do {
                problem = try await NIOThreadPool.singleton.runIfActive { Self.lookUpProblem(name) }
            } catch { problem = "\(error)" }
            if let problem {
                findings.append(
                    DoctorFinding(
                        "names", .fail, "\(name) leads nowhere: \(problem)",
                        remedy: "correct the name, or /etc/resolv.conf: getent hosts \(name) has to answer"))
            }
        }
        let what = names.count == 1 ? "\(names[0]) leads" : "all \(names.count) names lead"
        return findings.isEmpty ? [DoctorFinding("names", .ok, "\(what) somewhere")] : findings
    }

    private static func isAddress(_ host: String) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16)
        let zoneless = host.prefix { $0 != "%" }
        return unsafe (inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, String(zoneless), &bytes) == 1)
    }

    /// Asks the system's resolver, and waits; nil when it finds an address.
    private static func lookUpProblem(_ name: String) -> String? {
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(name, nil, nil, &list)
        defer { if code == 0 { unsafe freeaddrinfo(list) } }
        return code == 0 ? nil : unsafe String(cString: gai_strerror(code))
    }

    /// Whether the group's matchmakers answer from here: what `netcheck` finds, in short.
    func matchmakers(_ setup: Setup) async -> [DoctorFinding] {
        let report: NetworkReport
        do {
            if let check = subject.checkNetwork {
                // Of a group without matchmakers there is nothing to ask.
                guard subject.status?.match?.matchmakers.isEmpty == false else { return [] }
                report = try await check()
            } else if !setup.matchmakers.isEmpty {
                report = try await Gateway.checkNetwork(matchmakers: setup.matchmakers, stun: [])
            } else {
                return []
            }
        } catch {
            return [
                DoctorFinding(
                    "matchmaker", .warn, "the network could not be looked at: \(error)", remedy: "dxgateway netcheck")
            ]
        }
        return Self.findings(of: report)
    }

    /// A report of the network, as findings.
    static func findings(of report: NetworkReport) -> [DoctorFinding] {
        let failing = report.matchmakers.filter { $0.state == .failing }
        if report.isUsable, failing.isEmpty {
            let count = report.matchmakers.count
            return [DoctorFinding("matchmaker", .ok, count == 1 ? "it answers" : "all \(count) answer")]
        }
        if !report.isUDPWorking, let problem = report.problems.first {
            return [DoctorFinding("matchmaker", .fail, problem, remedy: "dxgateway netcheck says more")]
        }
        return failing.map { server in
            DoctorFinding(
                "matchmaker", report.isUsable ? .warn : .fail,
                "\(server.server): \(server.problem ?? "does not answer")", remedy: "dxgateway netcheck says more")
        }
    }
}
