import DXMatch
import DXTunnel
import DXWire
import Glibc
import NIOCore
import NIOPosix
import UnixSignals

/// Has the default gateway open UDP ports, says what comes of it, asks again on SIGHUP, and ends its mappings on SIGTERM: the driver of port mapping as a program,
/// for the laboratory (`Tests/Lab/run-portmap`).
///
///     port-map-probe PORT...
///
/// One line for each event: `mapped INTERNAL EXTERNAL LIFETIME PROTOCOL`, `behind-nat …`, `renewed …`, `lost INTERNAL`, `unavailable REASONS`,
/// and at the end `stopped`.
@main
struct PortMapProbe {
    static func main() async throws {
        let ports = CommandLine.arguments.dropFirst().compactMap { UInt16($0) }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        // Before anything is mapped: a signal that comes at once is to end it in order, too.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let driver = try await loop.submit {
            let driver = PortMapDriver(on: loop, nonce: PCPNonce(high: 0x0123_4567_89ab_cdef, low: 0xfeed_beef))
            driver.start(internalPorts: ports) { event, family in say(event, family) }
            return NIOLoopBound(driver, eventLoop: loop)
        }.get()
        for await signal in signals {
            guard signal == .sighup else { break }
            try await loop.submit { driver.value.networkChanged() }.get()
        }
        try await loop.flatSubmit { driver.value.stop() }.get()
        line("stopped")
    }

    private static func say(_ event: PortMapDriver.Event, _ family: Endpoint.Family) {
        func text(_ mapping: PortMapping) -> String {
            "\(mapping.internalPort) \(mapping.external) \(mapping.lifetime.milliseconds / 1_000) \(mapping.via)"
        }
        switch event {
        case .mapped(let mapping): line("mapped \(text(mapping))")
        case .mappedBehindNAT(let mapping): line("behind-nat \(text(mapping))")
        case .renewed(let mapping): line("renewed \(text(mapping))")
        case .lost(let port, let failure): line("lost \(port) IPv\(family.rawValue) \(failure)")
        case .unavailable(let reasons): line("unavailable IPv\(family.rawValue) \(reasons)")
        }
    }

    /// A line at once, also into a file.
    private static func line(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
    }
}
