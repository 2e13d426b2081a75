import DXMatch
import DXSecure
import DXWire
import Logging
import NIOCore

/// A port of the router's as a candidate (`docs/matchmaking.md` §9).
extension MatchAgent {
    /// Has the gateway's port mapped, where there are matchmakers that tell others of it; once.
    func mapPorts() {
        guard portMap == nil, host.mapsPorts, !links.isEmpty, candidates.contains(where: { !$0.endpoint.isLoopback })
        else {
            return
        }
        let ports = Set(host.boundEndpoints.map(\.port)).filter { $0 != 0 }.sorted()
        guard !ports.isEmpty, let name = identity.mappingName else { return }
        let driver = PortMapDriver(on: host.eventLoop, nonce: PCPNonce(high: name.high, low: name.low))
        portMap = driver
        driver.start(internalPorts: ports) { [weak self] event, _ in self?.onPortMapping(event) }
    }

    private func onPortMapping(_ event: PortMapper.Event) {
        switch event {
        case .mapped(let mapping):
            host.logger.info(
                "the router has mapped a port", metadata: ["outside": "\(mapping.external)", "by": "\(mapping.via)"])
        case .mappedBehindNAT(let mapping):
            host.logger.info(
                "the router has mapped a port, but is behind a NAT itself",
                metadata: ["outside": "\(mapping.external)", "by": "\(mapping.via)"])
        case .lost(let port, let reason):
            host.logger.info("the router maps a port no more", metadata: ["port": "\(port)", "reason": "\(reason)"])
        case .unavailable(let reasons): host.logger.debug("no router maps ports", metadata: ["reasons": "\(reasons)"])
        case .renewed: return
        }
        let now = host.currentTime()
        gather(now: now)
        pump(now: now)
    }

    /// What routers have mapped for this gateway and the internet reaches.
    var portMappings: [PortMapping] { portMap?.mappings.filter { !$0.isBehindAnotherNAT } ?? [] }
}

extension Identity {
    /// What names this gateway's mappings to a router, in each of its runs, and nobody else's: of the secret that a key for no
    /// matchmaker comes from. Nil when OpenSSL fails.
    fileprivate var mappingName: (high: UInt64, low: UInt32)? {
        let none = [UInt8](repeating: 0, count: 16)
        guard let key = try? memberKey(pin: gatewayID, groupTag: none) else { return nil }
        let bytes = unsafe Bytes32(sha256: key.publicKey.bytes.span.bytes).bytes
        var reader = unsafe ByteReader(bytes.span.bytes)
        guard let high = try? reader.readUInt64(), let low = try? reader.readUInt32() else { return nil }
        return (high, low)
    }
}
