import DXWire
import Testing

@testable import DXMatch

/// What is read of UPnP routers, and what is said to them.
@Suite struct IGDTests {
    static let location = HTTPLocation("http://192.168.1.1:5000/rootDesc.xml")!
    /// As many routers have them: version 1, with a PPP service beside the IP one.
    static let services = """
        <service><serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType>
        <serviceId>urn:upnp-org:serviceId:WANPPPConn1</serviceId>
        <controlURL>/ctl/PPPConn</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/ppp.xml</SCPDURL></service>
        <service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
        <controlURL>/ctl/IPConn</controlURL></service>
        """

    static func description(_ services: String, head: String = "") -> String {
        """
        <?xml version="1.0"?>
        <root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>\(head)
        <device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
        <friendlyName>A &amp; B's router</friendlyName>
        <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
        <controlURL>/ctl/L3F</controlURL></service></serviceList>
        <deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
        <deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
        <serviceList>\(services)</serviceList></device></deviceList></device></deviceList></device></root>
        """
    }

    private func read(_ text: String) throws -> IGDDescription {
        try IGDDescription(reading: Array(text.utf8), from: Self.location)
    }

    @Test func servicesBestFirst() throws {
        let found = try read(Self.description(Self.services))
        #expect(found.services.map(\.kind) == [.ip1, .ppp1])
        #expect(found.services.map(\.control.path) == ["/ctl/IPConn", "/ctl/PPPConn"])
        #expect(found.services.allSatisfy { $0.control.endpoint == Self.location.endpoint })
    }

    @Test(arguments: [
        ("/ctl", "http://192.168.1.1:5000/ctl"), ("ctl", "http://192.168.1.1:5000/ctl"),
        ("http://192.168.1.1:49152/ctl", "http://192.168.1.1:49152/ctl"),
        ("HTTP://192.168.1.1/", "http://192.168.1.1/"),
    ])
    func controlPlacesAreResolved(reference: String, place: String) throws {
        let service =
            "<service><serviceType>\(IGDService.Kind.ip2.urn)</serviceType><controlURL>\(reference)</controlURL></service>"
        let found = try read(Self.description(service))
        #expect(found.services == [IGDService(kind: .ip2, control: HTTPLocation(place)!)])
    }

    @Test(arguments: [
        "http://192.168.1.2:5000/ctl", "http://evil.example/ctl", "https://192.168.1.1/ctl", "http://192.168.1.1:0/ctl",
        "http://192.168.1.1:65536/ctl", "http://192.168.1.1@192.0.2.1/ctl", "", "/a b", "/a&#13;&#10;Host: x",
    ])
    func placesElsewhereAreLeftOut(reference: String) throws {
        let service =
            "<service><serviceType>\(IGDService.Kind.ip1.urn)</serviceType><controlURL>\(reference)</controlURL></service>"
        #expect(try read(Self.description(service)).services.isEmpty)
    }

    @Test func theBaseOfVersion1Counts() throws {
        let good = "<URLBase>http://192.168.1.1:80/x/</URLBase>"
        #expect(try read(Self.description(Self.services, head: good)).services.first?.control.endpoint.port == 80)
        let bad = "<URLBase>http://192.0.2.9:80/</URLBase>"
        let found = try read(Self.description(Self.services, head: bad))
        #expect(found.services.isEmpty && found.hasUntrusted)
    }

    @Test func noMoreServicesThanARouterHas() throws {
        let found = try read(Self.description(String(repeating: Self.services, count: 50)))
        #expect(found.services.count == IGDDescription.mostServices)
    }

    // MARK: SOAP

    static func envelope(_ body: String) -> [UInt8] {
        Array(
            """
            <?xml version="1.0"?>
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>\(body)</s:Body></s:Envelope>
            """.utf8)
    }

    static func fault(_ code: Int) -> [UInt8] {
        envelope(
            """
            <s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>
            <UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>\(code)</errorCode>
            <errorDescription>Refused</errorDescription></UPnPError></detail></s:Fault>
            """)
    }

    private static let client = Endpoint(v4: 0xc0a8_010a, port: 0)
    private static let add = IGDAction.add(externalPort: 40_000, internalPort: 7_700, client: client, lease: 7_200)

    @Test func whatIsAskedForIsWhatTheServiceWants() throws {
        let events = try XMLScannerTests.events(Self.add.body(.ip1))
        let texts = events.compactMap { if case .text(let text) = $0 { text } else { nil } }
        #expect(texts == ["40000", "UDP", "7700", "192.168.1.10", "1", "dx", "7200"])
        #expect(
            events.prefix(4) == [.start("Envelope"), .start("Body"), .start("AddPortMapping"), .start("NewRemoteHost")])
        #expect(Self.add.header(.ip1) == "\"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\"")
    }

    @Test func answersAreRead() throws {
        let address = Self.envelope(
            "<u:GetExternalIPAddressResponse xmlns:u=\"x\"><NewExternalIPAddress>203.0.113.10</NewExternalIPAddress>"
                + "</u:GetExternalIPAddressResponse>")
        let said = try IGDAction.externalAddress.answer(reading: address)
        #expect(said == .externalAddress(Endpoint(v4: 0xcb00_710a, port: 0)))
        let added = Self.envelope("<u:AddPortMappingResponse xmlns:u=\"x\"/>")
        #expect(try Self.add.answer(reading: added) == .added(port: 40_000))
        let any = IGDAction.addAny(externalPort: 40_000, internalPort: 7_700, client: Self.client, lease: 7_200)
        let reserved = Self.envelope(
            "<u:AddAnyPortMappingResponse><NewReservedPort>40001</NewReservedPort></u:AddAnyPortMappingResponse>")
        #expect(try any.answer(reading: reserved) == .added(port: 40_001))
        let deleted = Self.envelope("<DeletePortMappingResponse/>")
        #expect(try IGDAction.delete(externalPort: 40_000).answer(reading: deleted) == .deleted)
        #expect(try Self.add.answer(reading: Self.fault(718)) == .fault(718))
    }

    @Test(arguments: [
        "", "0.0.0.0", "203.0.113", "203.0.113.10.1", "203.0.113.256", "host", "2001:db8::1", "0203.0.113.10",
    ])
    func whatIsNoAddressIsNone(text: String) throws {
        let body = Self.envelope(
            "<GetExternalIPAddressResponse><NewExternalIPAddress>\(text)</NewExternalIPAddress>"
                + "</GetExternalIPAddressResponse>")
        #expect(try IGDAction.externalAddress.answer(reading: body) == .externalAddress(nil))
    }

    @Test func answersToOtherActionsAreNone() {
        let other = Self.envelope("<u:DeletePortMappingResponse/>")
        #expect(throws: XMLScanner.Problem.malformed) { try Self.add.answer(reading: other) }
        #expect(throws: XMLScanner.Problem.malformed) { try Self.add.answer(reading: Self.envelope("")) }
        let any = IGDAction.addAny(externalPort: 1, internalPort: 1, client: Self.client, lease: 1)
        for port in ["0", "65536", "x", ""] {
            let body = Self.envelope(
                "<AddAnyPortMappingResponse><NewReservedPort>\(port)</NewReservedPort></AddAnyPortMappingResponse>")
            #expect(throws: XMLScanner.Problem.malformed) { try any.answer(reading: body) }
        }
        #expect(throws: XMLScanner.Problem.malformed) { try Self.add.answer(reading: Self.fault(70_000)) }
    }

    // MARK: SSDP

    static func answer(_ location: String, target: String = SSDPMessage.targets[1], status: String = "200 OK")
        -> [UInt8]
    {
        Array(
            "HTTP/1.1 \(status)\r\nCACHE-CONTROL: max-age=120\r\nST: \(target)\r\nLocation:  \(location) \r\nEXT:\r\n\r\n"
                .utf8)
    }

    @Test func aSearchIsWhatTheArchitectureSays() {
        let text = String(decoding: SSDPMessage.search(SSDPMessage.targets[1]), as: UTF8.self)
        #expect(
            text == "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"
                + "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n")
    }

    @Test func theLocationOfAnAnswer() {
        let place = "http://192.168.1.1:5000/rootDesc.xml"
        #expect(SSDPMessage.location(in: Self.answer(place)) == place)
        let later = "urn:schemas-upnp-org:device:InternetGatewayDevice:9"
        #expect(SSDPMessage.location(in: Self.answer(place, target: later)) == place)
        // Line ends of one byte, as some write them.
        #expect(SSDPMessage.location(in: Self.answer(place).filter { $0 != 13 }) == place)
    }

    @Test func whatIsNoAnswerHasNoLocation() {
        let place = "http://192.168.1.1:5000/rootDesc.xml"
        #expect(SSDPMessage.location(in: Self.answer(place, target: "upnp:rootdevice")) == nil)
        #expect(SSDPMessage.location(in: Self.answer(place, status: "404 Not Found")) == nil)
        #expect(SSDPMessage.location(in: Array("NOTIFY * HTTP/1.1\r\nLOCATION: \(place)\r\n\r\n".utf8)) == nil)
        #expect(SSDPMessage.location(in: Self.answer(place) + [0]) == nil)
        #expect(SSDPMessage.location(in: Self.answer(place + String(repeating: "x", count: 2_048))) == nil)
        #expect(SSDPMessage.location(in: []) == nil)
    }
}
