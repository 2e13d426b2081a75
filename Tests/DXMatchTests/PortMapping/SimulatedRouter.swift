import DXWire

@testable import DXMatch

/// A router that speaks some of the three protocols, keeps mappings, forgets them when restarted, and can be told to misbehave.
struct SimulatedRouter {
    /// A UDP port that is open outside.
    struct Entry: Equatable {
        var internalPort: UInt16
        var expiresAt: Instant
    }

    static let inside = Endpoint(v4: 0xc0a8_0101, port: 0)
    static let host = Endpoint(v4: 0xc0a8_010a, port: 0)

    /// What it speaks.
    var protocols: Set<PortMappingProtocol>
    /// Of UPnP.
    var service = IGDService.Kind.ip1
    var external = Endpoint(v4: 0xcb00_710a, port: 0)
    var startedAt: Instant
    var longestLifetime: UInt32 = 86_400
    /// Mapped ports by their outside.
    var entries: [UInt16: Entry] = [:]
    /// Ports outside that somebody else has.
    var taken: Set<UInt16> = []
    /// PCP's and NAT-PMP's result for mappings.
    var result: UInt8 = 0
    /// How long a refusal of PCP holds, in seconds.
    var refusalLifetime: UInt32 = 30
    /// UPnP: mappings without an end only.
    var permanentOnly = false
    /// UPnP: AddAnyPortMapping is not there although version 2 says so.
    var lacksAny = false
    /// UPnP: what the answer to a search says; nil for its own place.
    var location: String?
    var isOff = false
    /// UPnP's port changes with each start.
    var httpPort: UInt16 = 5_000
    /// What it was asked, in order.
    private(set) var asked: [String] = []
    private var nonces: [UInt16: PCPNonce] = [:]

    init(_ protocols: Set<PortMappingProtocol>, now: Instant) {
        self.protocols = protocols
        startedAt = now - .seconds(1_000)
    }

    mutating func restart(now: Instant) {
        startedAt = now
        entries = [:]
        nonces = [:]
        httpPort += 1
    }

    private func epoch(_ now: Instant) -> UInt32 { UInt32((now - startedAt).milliseconds / 1_000) }

    /// The outside of the entry for an inside port; what is expired is not there.
    private mutating func grant(_ inside: UInt16, wanted: UInt16, seconds: UInt32, now: Instant) -> (UInt16, UInt32) {
        entries = entries.filter { $0.value.expiresAt > now }
        guard seconds > 0 else {
            entries = entries.filter { $0.value.internalPort != inside }
            return (0, 0)
        }
        var port = entries.first { $0.value.internalPort == inside }?.key ?? (wanted == 0 ? inside : wanted)
        while taken.contains(port) { port += 1 }
        let granted = min(seconds, longestLifetime)
        entries[port] = Entry(internalPort: inside, expiresAt: now + .seconds(Int64(granted)))
        return (port, granted)
    }

    // MARK: Datagrams

    /// What it answers to a datagram, and from where.
    mutating func answers(to datagram: PortMapperDatagram, now: Instant) -> [(bytes: [UInt8], source: Endpoint)] {
        guard !isOff else { return [] }
        let server = Self.inside.withPort(5_351)
        if datagram.destination == PortMappingConstants.ssdp {
            guard protocols.contains(.upnp) else { return [] }
            asked.append("search")
            let place = location ?? "http://192.168.1.1:\(httpPort)/rootDesc.xml"
            let target = SSDPMessage.targets[1]
            guard datagram.bytes == SSDPMessage.search(target) else { return [] }
            return [(IGDTests.answer(place, target: target), Self.inside.withPort(1_900))]
        }
        guard datagram.destination == server, let version = datagram.bytes.first else { return [] }
        switch version {
        case 2 where protocols.contains(.pcp): return [(pcp(datagram.bytes, now: now), server)]
        case 2 where protocols.contains(.natPMP):
            asked.append("pcp refused")
            var bytes: [UInt8] = [0, 0x81, 0, 1]
            bytes.append(bigEndian: epoch(now))
            return [(bytes, server)]
        case 0 where protocols.contains(.natPMP): return [(natPMP(datagram.bytes, now: now), server)]
        default: return []
        }
    }

    private mutating func pcp(_ request: [UInt8], now: Instant) -> [UInt8] {
        var reader = ByteReader(request.raw)
        guard (try? reader.skip(4)) != nil, let seconds = try? reader.readUInt32(), (try? reader.skip(16)) != nil,
            let high = try? reader.readUInt64(), let low = try? reader.readUInt32(), (try? reader.skip(4)) != nil,
            let inside = try? reader.readUInt16(), let wanted = try? reader.readUInt16()
        else { return [] }
        asked.append("pcp \(seconds)")
        let nonce = PCPNonce(high: high, low: low)
        var result = self.result
        if let known = nonces[inside], known != nonce { result = PCPResult.notAuthorized }
        var (port, granted): (UInt16, UInt32) = (wanted, refusalLifetime)
        if result == 0 {
            nonces[inside] = nonce
            (port, granted) = grant(inside, wanted: wanted, seconds: seconds, now: now)
        }
        var bytes: [UInt8] = [2, 0x81, 0, result]
        bytes.append(bigEndian: granted)
        bytes.append(bigEndian: epoch(now))
        bytes += [UInt8](repeating: 0, count: 12)
        bytes.append(bigEndian: high)
        bytes.append(bigEndian: low)
        bytes += [17, 0, 0, 0]
        bytes.append(bigEndian: inside)
        bytes.append(bigEndian: port)
        bytes.append(pcpAddress: external)
        return bytes
    }

    private mutating func natPMP(_ request: [UInt8], now: Instant) -> [UInt8] {
        var reader = ByteReader(request.raw)
        guard let opcode = try? reader.readUInt16() else { return [] }
        var bytes: [UInt8] = [0, 0x80 | UInt8(opcode & 0x7f), 0, opcode == 0 ? 0 : result]
        bytes.append(bigEndian: epoch(now))
        guard opcode == 1 else {
            asked.append("address")
            bytes.append(bigEndian: UInt32(external.low))
            return bytes
        }
        guard (try? reader.skip(2)) != nil, let inside = try? reader.readUInt16(),
            let wanted = try? reader.readUInt16(), let seconds = try? reader.readUInt32()
        else { return [] }
        asked.append("map \(seconds)")
        let (port, granted) = result == 0 ? grant(inside, wanted: wanted, seconds: seconds, now: now) : (0, 0)
        bytes.append(bigEndian: inside)
        bytes.append(bigEndian: port)
        bytes.append(bigEndian: granted)
        return bytes
    }

    /// What it tells all hosts by PCP, or by NAT-PMP.
    func announcement(_ spoken: PortMappingProtocol, now: Instant) -> [UInt8] {
        var bytes: [UInt8] = spoken == .pcp ? [2, 0x80, 0, 0, 0, 0, 0, 0] : [0, 0x80, 0, 0]
        bytes.append(bigEndian: epoch(now))
        if spoken == .pcp {
            bytes += [UInt8](repeating: 0, count: 12)
        } else {
            bytes.append(bigEndian: UInt32(external.low))
        }
        return bytes
    }

    // MARK: HTTP

    /// What it answers to a request.
    mutating func answer(to request: PortMapperRequest, now: Instant) -> PortMapperAnswer {
        guard !isOff, request.server == Self.inside.withPort(httpPort) else { return .failed }
        if request.method == "GET" {
            asked.append("GET \(request.path)")
            let services =
                "<service><serviceType>\(service.urn)</serviceType><controlURL>/ctl</controlURL></service>"
            return .answered(status: 200, body: Array(IGDTests.description(services).utf8))
        }
        var values: [String: String] = [:]
        var action = ""
        var name = ""
        for event in (try? XMLScannerTests.events(request.body)) ?? [] {
            switch event {
            case .start(let element):
                if name == "Body" { action = element }
                name = element
            case .text(let text): values[name] = text
            case .end: break
            }
        }
        asked.append(action)
        return perform(action, values, now: now)
    }

    private mutating func perform(_ action: String, _ values: [String: String], now: Instant) -> PortMapperAnswer {
        func said(_ inner: String) -> PortMapperAnswer {
            .answered(status: 200, body: IGDTests.envelope("<u:\(action)Response>\(inner)</u:\(action)Response>"))
        }
        func fault(_ code: Int) -> PortMapperAnswer { .answered(status: 500, body: IGDTests.fault(code)) }
        let outside = UInt16(values["NewExternalPort"] ?? "") ?? 0
        switch action {
        case "GetExternalIPAddress":
            return said("<NewExternalIPAddress>\(external.addressText)</NewExternalIPAddress>")
        case "AddPortMapping", "AddAnyPortMapping":
            if result != 0 { return fault(Int(IGDFault.notAuthorized)) }
            let isAny = action == "AddAnyPortMapping"
            if isAny && lacksAny { return fault(Int(IGDFault.invalidAction)) }
            guard let inside = UInt16(values["NewInternalPort"] ?? ""),
                let lease = UInt32(values["NewLeaseDuration"] ?? ""), values["NewProtocol"] == "UDP",
                values["NewInternalClient"] == Self.host.addressText
            else { return fault(402) }
            if permanentOnly && lease != 0 { return fault(Int(IGDFault.permanentOnly)) }
            if !isAny && taken.contains(outside) { return fault(Int(IGDFault.conflict)) }
            let seconds = lease == 0 ? 86_400 * 365 : lease
            let (port, _) = grant(inside, wanted: outside, seconds: seconds, now: now)
            return said(isAny ? "<NewReservedPort>\(port)</NewReservedPort>" : "")
        case "DeletePortMapping":
            return entries.removeValue(forKey: outside) == nil ? fault(714) : said("")
        default: return fault(401)
        }
    }
}
