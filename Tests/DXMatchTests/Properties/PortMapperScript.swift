import DXWire

@testable import DXMatch

/// Bytes as what a router does: steps of one byte that says what, two that say how much, and so many bytes.
enum PortMapperScript {
    /// What a step is, by its first byte.
    private enum Step: UInt8, CaseIterable {
        /// A datagram from where requests go.
        case datagram
        /// One from another port of the router's.
        case fromElsewhere
        /// One to all hosts.
        case announcement
        /// The answer to the last HTTP request.
        case answer
        /// None came.
        case failure
        /// Time passes until something is due.
        case wait
    }

    private static let router = Endpoint(v4: 0xc0a8_0101, port: 0)
    private static let host = Endpoint(v4: 0xc0a8_010a, port: 0)
    private static let nonce = PCPNonce(high: 7, low: 9)

    /// How far a script got.
    struct Reached: Equatable {
        /// The most ports that were mapped at a time.
        var mappings = 0
        /// HTTP requests.
        var requests = 0
    }

    /// Feeds a mapper; throws when it asks somebody else than its router, or does not come to rest.
    @discardableResult
    static func run(_ script: [UInt8]) throws -> Reached {
        var reached = Reached()
        var now = Instant.zero + .seconds(5_000)
        var mapper = PortMapper(
            router: router, local: host, internalPorts: [7_700, 7_701], nonce: nonce, random: RandomSource(seed: 5),
            now: now)
        var request: UInt64 = 0
        try drain(&mapper, &request, now: now)
        var rest = script[...]
        while rest.count >= 3 {
            let step = Step.allCases[Int(rest[rest.startIndex]) % Step.allCases.count]
            let count = Int(rest[rest.startIndex + 1]) << 8 | Int(rest[rest.startIndex + 2])
            let bytes = Array(rest.dropFirst(3).prefix(count))
            rest = rest.dropFirst(3 + bytes.count)
            switch step {
            case .datagram: mapper.receive(bytes.raw, from: router.withPort(5_351), now: now)
            case .fromElsewhere: mapper.receive(bytes.raw, from: router.withPort(1_900), now: now)
            case .announcement: mapper.receiveAnnouncement(bytes.raw, from: router.withPort(5_351), now: now)
            case .answer: mapper.receive(.answered(status: 200, body: bytes), to: request, now: now)
            case .failure: mapper.receive(.failed, to: request, now: now)
            case .wait:
                now = max(now, mapper.nextTimeout ?? now)
                mapper.timeoutFired(now: now)
            }
            reached.requests += try drain(&mapper, &request, now: now)
            reached.mappings = max(reached.mappings, mapper.mappings.count)
            guard reached.mappings <= 2 else {
                throw MatchPropertyFailure(description: "\(reached.mappings) mappings of two ports")
            }
        }
        return reached
    }

    /// Takes all that the mapper has to say; how many requests it makes, the last of which is `request`.
    @discardableResult
    private static func drain(_ mapper: inout PortMapper, _ request: inout UInt64, now: Instant) throws -> Int {
        var count = 0
        // A mapper that sends without end at one time hangs; none needs as many.
        for _ in 0..<64 {
            if let datagram = mapper.pollTransmit(now: now) {
                guard datagram.destination == PortMappingConstants.ssdp || isRouter(datagram.destination),
                    datagram.bytes.count <= 400
                else {
                    throw MatchPropertyFailure(
                        description: "\(datagram.bytes.count) bytes for \(datagram.destination)")
                }
            } else if let made = mapper.pollRequest() {
                guard isRouter(made.server) else {
                    throw MatchPropertyFailure(description: "a request of \(made.server)")
                }
                request = made.number
                count += 1
            } else if mapper.pollEvent() == nil {
                return count
            }
        }
        throw MatchPropertyFailure(description: "it does not come to rest")
    }

    private static func isRouter(_ endpoint: Endpoint) -> Bool { endpoint.hasSameAddress(as: router) }

    // MARK: Seeds

    private static func step(_ step: Step, _ bytes: [UInt8] = []) -> [UInt8] {
        [step.rawValue, UInt8(bytes.count >> 8), UInt8(bytes.count & 0xff)] + bytes
    }

    /// A router of each protocol, and what it says.
    static var seeds: [[UInt8]] {
        // Four times each until PCP and NAT-PMP are given up.
        let waits = [UInt8]((0..<8).flatMap { _ in step(.wait) })
        let pcp = Hex.bytes(
            """
            02 81 00 00 00000e10 00001000 000000000000000000000000
            0000000000000007 00000009 11 000000 1e14 1e14 00000000 00000000 0000ffff cb00710a
            """)
        let tooNew = Hex.bytes("00 80 0001 00001000")
        let address = Hex.bytes("00 80 0000 00001000 cb00710a")
        let mapped = Hex.bytes("00 81 0000 00001000 1e14 1e14 00000e10")
        let found = Array(
            """
            HTTP/1.1 200 OK\r
            ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r
            LOCATION: http://192.168.1.1:5000/rootDesc.xml\r
            \r

            """.utf8)
        let description = Array(
            """
            <root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList><service>\
            <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
            <controlURL>/ctl</controlURL></service></serviceList></device></root>
            """.utf8)
        let outside = Array(
            """
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>\
            <u:GetExternalIPAddressResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">\
            <NewExternalIPAddress>203.0.113.10</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body>\
            </s:Envelope>
            """.utf8)
        return [
            step(.datagram, pcp) + step(.wait) + step(.announcement, pcp),
            step(.datagram, tooNew) + step(.datagram, address) + step(.datagram, mapped) + step(.announcement, address),
            waits + step(.fromElsewhere, found) + step(.answer, description) + step(.answer, outside)
                + step(.answer, outside) + step(.failure) + waits,
        ]
    }
}
