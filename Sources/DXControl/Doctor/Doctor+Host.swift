import DXTunnel
import Glibc

/// What the host gives.
extension Doctor {
    /// The buffers of UDP sockets: what the kernel grants, against what is asked for.
    func buffers(_ setup: Setup) -> [DoctorFinding] {
        let wanted = setup.limits.socketBufferBytes
        // The kernel counts its own bookkeeping in, and says twice what was asked for (socket(7)).
        let said = 2 * wanted
        if let socket = subject.status?.socket, socket.receiveBufferBytes >= said, socket.sendBufferBytes >= said {
            return [
                DoctorFinding(
                    "buffers", .ok,
                    "the kernel gave \(StatusReport.bytes(socket.receiveBufferBytes)) to receive and"
                        + " \(StatusReport.bytes(socket.sendBufferBytes)) to send")
            ]
        }
        var findings: [DoctorFinding] = []
        for name in ["rmem_max", "wmem_max"] {
            guard let most = DoctorHost.number(in: "\(host.proc)/sys/net/core/\(name)") else { continue }
            guard most < wanted else { continue }
            findings.append(
                DoctorFinding(
                    "buffers", .warn,
                    "net.core.\(name) is \(StatusReport.bytes(most)) where \(StatusReport.bytes(wanted)) are asked for: on fast"
                        + " links datagrams are lost in bursts",
                    remedy: "sysctl -w net.core.\(name)=\(wanted), and the same in /etc/sysctl.d"))
        }
        guard findings.isEmpty else { return findings }
        return [DoctorFinding("buffers", .ok, "the kernel allows the \(StatusReport.bytes(wanted)) that are asked for")]
    }

    /// Many datagrams in one call.
    func offloads() -> [DoctorFinding] {
        let (gso, gro) = subject.status.map { ($0.socket.gso, $0.socket.gro) } ?? host.offloads()
        let missing = [(gso, "GSO"), (gro, "GRO")].filter { !$0.0 }.map(\.1).joined(separator: " and ")
        guard missing.isEmpty else {
            return [
                DoctorFinding(
                    "offload", .warn,
                    "the kernel does not do \(missing) for UDP: each datagram costs a call of its own",
                    remedy:
                        "use Linux 5.0 or newer, outside of a sandbox that hides it; all works without, at lower rates")
            ]
        }
        return [DoctorFinding("offload", .ok, "GSO and GRO: many datagrams go in one call")]
    }

    /// The smallest datagram that has to pass is one of 1,200 bytes; with headers of IPv6 and UDP (RFC 9000 §14 has the same number).
    private static let leastMTU = 1_248
    /// What IPv6 promises (RFC 8200 §5).
    private static let usualMTU = 1_280

    /// The MTU of each interface that is up and has an IP address: others, such as a CAN bus or a part of a bridge, carry nothing of ours.
    func interfaces() -> [DoctorFinding] {
        let place = "\(host.sys)/class/net"
        let addressed = host.addressedInterfaces()
        let found: [(String, Int)] = DoctorHost.names(in: place).compactMap { name in
            guard addressed?.contains(name) ?? true else { return nil }
            // IFF_UP is the lowest bit of the flags, IFF_LOOPBACK the fourth.
            guard let text = DoctorHost.line(in: "\(place)/\(name)/flags"), text.hasPrefix("0x"),
                let flags = UInt32(text.dropFirst(2), radix: 16), flags & 1 != 0, flags & 8 == 0,
                let mtu = DoctorHost.number(in: "\(place)/\(name)/mtu")
            else { return nil }
            return (name, mtu)
        }
        guard !found.isEmpty else {
            return [
                DoctorFinding(
                    "interfaces", .warn, "no network interface but the loopback is up and has an address",
                    remedy: "ip address shows them; bring one up")
            ]
        }
        let narrow = found.filter { $0.1 < Self.usualMTU }
        guard !narrow.isEmpty else {
            let least = found.map(\.1).min() ?? 0
            return [DoctorFinding("interfaces", .ok, "\(found.count) up, the least MTU is \(least)")]
        }
        return narrow.map { name, mtu in
            DoctorFinding(
                "interfaces", mtu < Self.leastMTU ? .fail : .warn,
                "\(name) has an MTU of \(mtu), and datagrams of 1,200 bytes"
                    + (mtu < Self.leastMTU ? " do not pass whole" : " pass only just"),
                remedy: "ip link set \(name) mtu 1280, or more, if what it leads to carries that")
        }
    }

    /// The first second of 2026: this program is newer.
    private static let leastTime = 1_767_225_600

    /// Certificates and grants end at some time; a clock that is wrong ends them at another one.
    func clock() -> [DoctorFinding] {
        guard let clock = host.clock() else {
            return [
                DoctorFinding(
                    "clock", .warn, "the kernel does not say whether the clock is kept right",
                    remedy: "look with timedatectl")
            ]
        }
        guard clock.seconds >= Self.leastTime else {
            return [
                DoctorFinding(
                    "clock", .fail,
                    "it says \(Timestamp(unixMilliseconds: Int64(clock.seconds) * 1_000)), which is before this program was made",
                    remedy: "set it, and have NTP keep it: timedatectl set-ntp true")
            ]
        }
        guard clock.isSynchronised else {
            return [
                DoctorFinding(
                    "clock", .warn,
                    "nothing keeps it right: tunnels and invitations that end will end too early or too late",
                    remedy: "timedatectl set-ntp true, or run chrony")
            ]
        }
        return [DoctorFinding("clock", .ok, "kept right, to within \(clock.errorMicroseconds / 1_000 + 1) ms")]
    }

    /// Room for the state, audit records among it.
    func disk(_ setup: Setup) -> [DoctorFinding] {
        guard let path = setup.directory, let room = host.disk(path) else { return [] }
        let remedy = "make room where \(path) is: df -h \(path), df -i \(path)"
        let left = "\(StatusReport.bytes(room.freeBytes)) are free where \(path) is"
        // A state of 1,000 members is a megabyte, and is written anew beside the old one.
        if room.freeBytes < 4 << 20 { return [DoctorFinding("disk", .fail, "only \(left)", remedy: remedy)] }
        if let files = room.freeFiles, files < 16 {
            return [
                DoctorFinding("disk", .fail, "only \(files) more files can be made where \(path) is", remedy: remedy)
            ]
        }
        if room.freeBytes < 64 << 20 { return [DoctorFinding("disk", .warn, "only \(left)", remedy: remedy)] }
        return [DoctorFinding("disk", .ok, left)]
    }

    /// What a gateway needs beside connections: files, sockets, the control API.
    private static let fewDescriptors = 128

    /// Each connection takes one.
    func descriptors(_ setup: Setup) -> [DoctorFinding] {
        // This program's own limit is that of a terminal, not of the service.
        let limit = subject.status?.descriptors?.limit ?? unitDescriptorLimit ?? host.descriptorLimit()
        let wanted = setup.limits.connections + Self.fewDescriptors
        let remedy =
            "raise the service's LimitNOFILE to \(wanted) (systemctl edit dxgateway), or lower limits: connections"
        guard limit >= Self.fewDescriptors else {
            return [DoctorFinding("files", .fail, "only \(limit) files may be open at once", remedy: remedy)]
        }
        guard limit >= wanted else {
            return [
                DoctorFinding(
                    "files", .warn,
                    "\(limit) files may be open at once, where limits: connections is \(setup.limits.connections)",
                    remedy: remedy)
            ]
        }
        return [DoctorFinding("files", .ok, "\(limit) files may be open at once")]
    }

    /// What systemd says of the service, where it has loaded its unit.
    private var unitProperties: [String: String]? {
        guard let said = subject.service else { return nil }
        let values = Dictionary(
            said.split(whereSeparator: \.isNewline).compactMap { line -> (String, String)? in
                let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
            }, uniquingKeysWith: { first, _ in first })
        return values["LoadState"] == "loaded" ? values : nil
    }

    /// The files that the service may have open at once, as its unit has it.
    private var unitDescriptorLimit: Int? {
        unitProperties?["LimitNOFILE"].flatMap { $0 == "infinity" ? Int.max : Int($0) }
    }

    /// Whether the service may take ports below 1024, which whoever looks may not.
    var unitMayTakeLowPorts: Bool {
        unitProperties?["AmbientCapabilities"]?.lowercased().contains("cap_net_bind_service") ?? false
    }

    /// The service, where systemd runs the system and knows it.
    func unit() -> [DoctorFinding] {
        guard let values = unitProperties, let active = values["ActiveState"] else { return [] }
        let look = "journalctl -u dxgateway -n 50 says why"
        if active == "failed" {
            return [
                DoctorFinding(
                    "service", .fail, "dxgateway.service failed (\(values["Result"] ?? "unknown"))", remedy: look)
            ]
        }
        if let restarts = values["NRestarts"].flatMap(Int.init), restarts > 0 {
            return [
                DoctorFinding(
                    "service", .warn, "dxgateway.service is \(active), and was started anew \(restarts) times",
                    remedy: look)
            ]
        }
        if values["UnitFileState"] == "disabled" {
            return [
                DoctorFinding(
                    "service", .warn, "dxgateway.service is \(active), and will not be started with the system",
                    remedy: "systemctl enable dxgateway")
            ]
        }
        return [DoctorFinding("service", .ok, "dxgateway.service is \(active)")]
    }
}

extension DoctorHost {
    /// Whether this process may make files there.
    static func isWritable(_ path: String) -> Bool { unsafe access(path, W_OK | X_OK) == 0 }

    /// Whether this user may not even see if there is something.
    public static func isHidden(_ path: String) -> Bool { unsafe access(path, F_OK) != 0 && errno == EACCES }
}
