import DXTestFiles
import DXTunnel
import Foundation
import Testing

@testable import DXControl

@Suite struct DoctorTests {
    private let directory = TemporaryDirectory()

    /// A host where all is as it should be, with files in the place of the kernel's.
    private func host() -> DoctorHost {
        for place in ["proc/sys/net/core", "sys/class/net/eth0"] {
            try? FileManager.default.createDirectory(atPath: directory.file(place), withIntermediateDirectories: true)
        }
        directory.write("8388608\n", to: "proc/sys/net/core/rmem_max")
        directory.write("8388608\n", to: "proc/sys/net/core/wmem_max")
        directory.write("0x1003\n", to: "sys/class/net/eth0/flags")
        directory.write("1500\n", to: "sys/class/net/eth0/mtu")
        var host = DoctorHost()
        host.proc = directory.file("proc")
        host.sys = directory.file("sys")
        host.systemdMark = directory.file("no-systemd")
        host.clock = { DoctorHost.Clock(seconds: 1_800_000_000, isSynchronised: true, errorMicroseconds: 500) }
        host.disk = { _ in DoctorHost.Disk(freeBytes: 1 << 30, freeFiles: 1 << 20) }
        host.descriptorLimit = { 1 << 20 }
        host.addressedInterfaces = { ["eth0"] }
        host.offloads = { (true, true) }
        return host
    }

    /// A gateway without a group that could run, with keys beside its file.
    private func subject(_ more: String = "") throws -> (ConfigurationFolder, Doctor.Subject) {
        let folder = try ConfigurationFolder()
        var subject = Doctor.Subject()
        subject.configuration = folder.directory.write(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\nlisten: \"127.0.0.1:0\"\n" + more, to: "edge.yaml")
        return (folder, subject)
    }

    private func findings(_ subject: Doctor.Subject, _ host: DoctorHost) async -> [String: DoctorFinding] {
        let report = await Doctor(subject, host: host).run()
        #expect(report.healthy == !report.findings.contains { $0.state == .fail })
        // What does not stand as it should says what to do.
        #expect(report.findings.allSatisfy { ($0.state == .ok) == ($0.remedy == nil) }, "\(report.findings)")
        // The worst of a check.
        let order: [DoctorFinding.State] = [.ok, .warn, .fail]
        return Dictionary(report.findings.map { ($0.check, $0) }) { first, second in
            order.firstIndex(of: second.state)! > order.firstIndex(of: first.state)! ? second : first
        }
    }

    @Test func findsNothingWhereAllIsWell() async throws {
        let (folder, subject) = try subject()
        let found = await findings(subject, host())
        // But that it does not run.
        #expect(found["gateway"]?.state == .warn)
        for check in ["config", "ports", "buffers", "offload", "interfaces", "clock", "disk", "files"] {
            #expect(found[check]?.state == .ok, "\(check): \(String(describing: found[check]))")
        }
        #expect(found.count == 9)
        _ = folder
    }

    @Test func finishesOnThisHost() async throws {
        let (folder, subject) = try subject()
        let report = await Doctor(subject).run()
        #expect(report.findings.contains { $0.check == "clock" })
        let data = try JSONEncoder().encode(report)
        #expect(try JSONDecoder().decode(DoctorReport.self, from: data) == report)
        _ = folder
    }

    // MARK: The gateway and its files

    @Test func tellsWhetherItRuns() async throws {
        var (_, subject) = try subject()
        subject.status = try fleetStatus(peers: 1, tunnels: 1, broken: 0)
        #expect(await findings(subject, host())["gateway"]?.state == .ok)
        subject.status = sampleStatus
        let sick = await findings(subject, host())["gateway"]
        #expect(sick?.state == .fail && sick?.message.contains("peer cloud-2 is down") == true)
        subject.status = nil
        (subject.silence, subject.isSilenceWrong) = ("the control socket belongs to another user", true)
        let mute = await findings(subject, host())
        #expect(mute["gateway"]?.remedy == "run this as the gateway's user, or as root")
        // It has its ports, which a try would find taken.
        #expect(mute["gateway"]?.state == .fail && mute["ports"] == nil)
        subject.silenceRemedy = "restart it"
        #expect(await findings(subject, host())["gateway"]?.remedy == "restart it")
    }

    @Test func findsConfigurationsThatAreWrong() async throws {
        let (folder, good) = try subject("wrong: 1\n")
        let wrong = await findings(good, host())["config"]
        #expect(wrong?.state == .fail && wrong?.message.contains("edge.yaml:5:1: unknown key") == true)
        // A key file that others may read.
        folder.directory.setMode(0o644, of: "edge-1.key")
        folder.directory.write(
            "name: edge-1\nidentity: edge-1.key\nveil: group.key\nlisten: \"127.0.0.1:0\"\n", to: "edge.yaml")
        #expect(await findings(good, host())["config"]?.state == .fail)
        #expect(await findings(Doctor.Subject(), host())["config"]?.message.contains("neither a group nor") == true)
        var missing = Doctor.Subject()
        missing.configuration = directory.file("none.yaml")
        #expect(await findings(missing, host())["config"]?.state == .fail)
    }

    @Test func findsStateDirectoriesThatCannotBeUsed() async throws {
        let place = directory.file("state")
        var subject = Doctor.Subject()
        subject.stateDirectory = place
        func state() async -> DoctorFinding? { await findings(subject, host())["state"] }
        #expect(await state()?.message.hasSuffix("is not there") == true)
        _ = try GroupCreation(group: "plant", gateway: "hq", stateDirectory: place).run()
        #expect(await state()?.state == .ok)
        directory.setMode(0o755, of: "state")
        #expect(await state()?.message.hasSuffix("is open to others (mode 0755)") == true)
        directory.setMode(0o700, of: "state")
        directory.setMode(0o644, of: "state/group.state")
        #expect(await state()?.state == .fail)
        directory.setMode(0o600, of: "state/group.state")
        directory.write("nonsense", to: "state/group.state")
        let damaged = await state()
        #expect(damaged?.state == .fail && damaged?.remedy?.isEmpty == false)
        subject.stateDirectory = directory.write("", to: "file")
        #expect(await state()?.message.hasSuffix("is no directory") == true)
    }

    // MARK: Ports

    @Test func findsPortsThatAreTaken() async throws {
        let taken = try TakenPorts()
        defer { taken.close() }
        let (_, udp) = try subject("")
        let folder = try ConfigurationFolder()
        let peer = try KeyFiles.createIdentity(at: folder.directory.file("peer.key"))
        var other = udp
        other.configuration = folder.directory.write(
            """
            name: edge-1
            identity: edge-1.key
            veil: group.key
            listen: "127.0.0.1:\(taken.udp)"
            peers:
              - {name: cloud-1, id: "\(peer)", addresses: []}
            tunnels:
              - name: web
                origins: [{gateway: edge-1, listen: "127.0.0.1:\(taken.tcp)"}]
                destinations: [{gateway: cloud-1, target: "127.0.0.1:80"}]

            """, to: "edge.yaml")
        let report = await Doctor(other, host: host()).run()
        let ports = report.findings.filter { $0.check == "ports" }
        try #require(ports.count == 2, "\(report.findings)")
        #expect(ports.allSatisfy { $0.state == .fail && $0.message.hasSuffix("cannot be had: Address already in use") })
        #expect(
            ports[0].message.hasPrefix("UDP 127.0.0.1:\(taken.udp)")
                && ports[1].message.hasPrefix("TCP 127.0.0.1:\(taken.tcp)"))
        // Of a gateway that runs it is known.
        other.status = sampleStatus
        #expect(await findings(other, host())["ports"]?.message == "listens on 0.0.0.0:7700, [::]:7700")
    }

    // MARK: The host

    @Test func findsSmallBuffers() async throws {
        let (folder, subject) = try subject()
        let host = host()
        directory.write("212992\n", to: "proc/sys/net/core/rmem_max")
        let small = await findings(subject, host)["buffers"]
        #expect(
            small?.state == .warn && small?.message.hasPrefix("net.core.rmem_max is 208 KiB where 4.00 MiB") == true)
        #expect(small?.remedy?.hasPrefix("sysctl -w net.core.rmem_max=4194304") == true)
        _ = folder
    }

    /// The kernel says twice what it gave.
    @Test func findsSmallBuffersOfAGatewayThatRuns() async throws {
        let (folder, stopped) = try subject()
        var subject = stopped
        subject.status = try fleetStatus(peers: 1, tunnels: 1, broken: 0)
        let wanted = GatewayConfiguration.Limits().socketBufferBytes
        for (given, state) in [(wanted, DoctorFinding.State.warn), (2 * wanted, .ok)] {
            subject.status?.socket.receiveBufferBytes = given
            subject.status?.socket.sendBufferBytes = given
            let host = host()
            directory.write("212992\n", to: "proc/sys/net/core/rmem_max")
            #expect(await findings(subject, host)["buffers"]?.state == state)
        }
        _ = folder
    }

    @Test func findsAKernelWithoutOffloads() async throws {
        let (folder, subject) = try subject()
        var host = host()
        host.offloads = { (true, false) }
        let found = await findings(subject, host)["offload"]
        #expect(found?.state == .warn && found?.message.contains("does not do GRO for UDP") == true)
        _ = folder
    }

    @Test func findsNarrowInterfaces() async throws {
        let (folder, subject) = try subject()
        let host = host()
        for (mtu, state) in [(1_200, DoctorFinding.State.fail), (1_260, .warn), (1_280, .ok)] {
            directory.write("\(mtu)\n", to: "sys/class/net/eth0/mtu")
            #expect(await findings(subject, host)["interfaces"]?.state == state)
        }
        // A CAN bus has an MTU of 16 and no address.
        try FileManager.default.createDirectory(
            atPath: directory.file("sys/class/net/can0"), withIntermediateDirectories: true)
        directory.write("0x40081\n", to: "sys/class/net/can0/flags")
        directory.write("16\n", to: "sys/class/net/can0/mtu")
        #expect(await findings(subject, host)["interfaces"]?.state == .ok)
        // One that is down does not count; then there is none.
        directory.write("0x1002\n", to: "sys/class/net/eth0/flags")
        #expect(await findings(subject, host)["interfaces"]?.message.hasPrefix("no network interface") == true)
        _ = folder
    }

    @Test func findsClocksThatAreWrong() async throws {
        let (folder, subject) = try subject()
        var host = host()
        host.clock = { DoctorHost.Clock(seconds: 1_800_000_000, isSynchronised: false, errorMicroseconds: 16_000_000) }
        #expect(await findings(subject, host)["clock"]?.state == .warn)
        host.clock = { DoctorHost.Clock(seconds: 86_400, isSynchronised: true, errorMicroseconds: 1) }
        let old = await findings(subject, host)["clock"]
        #expect(old?.state == .fail && old?.message.hasPrefix("it says 1970-01-02T00:00:00.000Z") == true)
        host.clock = { nil }
        #expect(await findings(subject, host)["clock"]?.state == .warn)
        _ = folder
    }

    @Test func findsFullDisks() async throws {
        let (folder, subject) = try subject()
        var host = host()
        for (bytes, files, state) in [
            (1 << 20, nil, DoctorFinding.State.fail), (1 << 30, 3, .fail), (32 << 20, nil, .warn), (1 << 30, nil, .ok),
        ] as [(UInt64, UInt64?, DoctorFinding.State)] {
            host.disk = { _ in DoctorHost.Disk(freeBytes: bytes, freeFiles: files) }
            #expect(await findings(subject, host)["disk"]?.state == state)
        }
        _ = folder
    }

    @Test func findsFewDescriptors() async throws {
        let (folder, subject) = try subject()
        var host = host()
        for (limit, state) in [(64, DoctorFinding.State.fail), (1_024, .warn), (4_224, .ok)] {
            host.descriptorLimit = { limit }
            #expect(await findings(subject, host)["files"]?.state == state)
        }
        _ = folder
    }

    /// What the service may, not what the terminal may from which this is run.
    @Test func theServiceHasLimitsOfItsOwn() async throws {
        var (folder, subject) = try subject()
        var host = host()
        host.descriptorLimit = { 1_024 }
        let unit = "LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\nNRestarts=0\n"
        for (limit, state) in [("524288", DoctorFinding.State.ok), ("infinity", .ok), ("64", .fail)] {
            subject.service = unit + "LimitNOFILE=\(limit)\n"
            #expect(await findings(subject, host)["files"]?.state == state, "\(limit)")
        }
        func low(_ service: String) -> [DoctorFinding] {
            subject.service = service
            return Doctor(subject, host: host).portFindings("TCP :80", 80, "Permission denied")
        }
        #expect(low(unit + "AmbientCapabilities=cap_net_bind_service\n").isEmpty)
        #expect(low(unit + "AmbientCapabilities=\n").map(\.state) == [.fail])
        #expect(low("LoadState=not-found\n").first?.remedy?.contains("CAP_NET_BIND_SERVICE") == true)
        _ = folder
    }

    /// A stand-in for systemctl(1) that says what it is told.
    @Test func findsServicesThatFail() async throws {
        var (folder, subject) = try subject()
        var host = host()
        let place = directory.file("systemctl")
        // Read by a shell: a file that was just written may not be executed while another test's child has it open.
        host.systemctl = "/bin/sh \(place)"
        host.systemdMark = directory.path
        func service(_ active: String, _ enabled: String, _ restarts: Int) async throws -> DoctorFinding? {
            let script =
                "printf 'LoadState=loaded\\nActiveState=\(active)\\nUnitFileState=\(enabled)\\nResult=exit-code\\nNRestarts=\(restarts)\\n'\n"
            try script.write(toFile: place, atomically: false, encoding: .utf8)
            subject.service = host.askService()
            return await findings(subject, host)["service"]
        }
        #expect(try await service("failed", "enabled", 0)?.message == "dxgateway.service failed (exit-code)")
        #expect(try await service("active", "enabled", 3)?.state == .warn)
        #expect(try await service("inactive", "disabled", 0)?.state == .warn)
        #expect(try await service("active", "enabled", 0)?.state == .ok)
        // Of one that does not answer nothing is known, as where systemd does not run the system.
        host.systemctl = directory.file("none")
        #expect(host.askService() == nil)
        host.systemdMark = directory.file("none")
        host.systemctl = "/bin/sh \(place)"
        #expect(host.askService() == nil)
        _ = folder
    }

    // MARK: The network

    @Test func findsNamesThatLeadNowhere() async throws {
        let folder = try ConfigurationFolder()
        var subject = Doctor.Subject()
        func names(_ host: String) async -> DoctorFinding? {
            subject.configuration = folder.directory.write(
                """
                name: edge-1
                identity: edge-1.key
                veil: group.key
                listen: "127.0.0.1:0"
                peers:
                  - {name: cloud-1, id: "\(idText("c"))", addresses: ["\(host):7700"]}

                """, to: "edge.yaml")
            return await findings(subject, self.host())["names"]
        }
        // RFC 6761 §6.3 and §6.4: the one is this host, the other is nobody.
        #expect(await names("localhost")?.state == .ok)
        let wrong = await names("nobody.invalid")
        #expect(wrong?.state == .fail && wrong?.message.hasPrefix("nobody.invalid leads nowhere: ") == true)
        #expect(await names("127.0.0.1") == nil)
    }

    @Test func tellsWhatTheNetworkDoes() async throws {
        var report = try sample(NetworkReport.self, sampleNetworkJSON)
        let some = Doctor.findings(of: report)
        #expect(some.map(\.state) == [.warn] && some[0].message == "192.0.2.21:3478: it has another pin")
        report.matchmakers[0].state = .failing
        #expect(Doctor.findings(of: report).map(\.state) == [.fail, .fail])
        report.matchmakers = []
        report.families[0].nat?.udp = .blocked
        let blocked = Doctor.findings(of: report)
        #expect(blocked.map(\.state) == [.fail] && blocked[0].message.hasPrefix("this network lets no UDP out"))
        // A gateway that runs is asked to look; one that cannot is said to be so.
        var (folder, subject) = try subject()
        subject.status = sampleStatus
        subject.status?.match = MatchStatus(
            matchmakers: [MatchmakerStatus(server: "match.example:3478", pin: nil)], networks: [], keepaliveSeconds: 20)
        subject.checkNetwork = { throw ControlError(code: .failed, message: "a check goes on already", hint: "wait") }
        #expect(await findings(subject, host())["matchmaker"]?.message.contains("a check goes on already") == true)
        subject.checkNetwork = { try sample(NetworkReport.self, sampleNetworkJSON) }
        #expect(await findings(subject, host())["matchmaker"]?.state == .warn)
        _ = folder
    }

    // MARK: The text

    @Test func tellsWhatToDo() {
        let report = DoctorReport([
            DoctorFinding("disk", .ok, "1.00 GiB are free"),
            DoctorFinding("interfaces", .warn, "eth0 has an MTU of 1260", remedy: "ip link set eth0 mtu 1280"),
            DoctorFinding("clock", .fail, "it says 1970", remedy: "set it"),
        ])
        #expect(
            report.text() == """
                1 of 3 checks FAILED; 1 warning

                ok    disk        1.00 GiB are free
                warn  interfaces  eth0 has an MTU of 1260
                                  -> ip link set eth0 mtu 1280
                FAIL  clock       it says 1970
                                  -> set it
                """)
        #expect(DoctorReport([]).text().hasPrefix("nothing is broken"))
        let narrow = report.text(terminal: Terminal(width: 40, height: 24, hasColors: false))
        #expect(narrow.split(separator: "\n").allSatisfy { $0.count <= 40 })
    }
}
