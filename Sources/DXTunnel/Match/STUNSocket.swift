import DXMatch
import DXSecure
import DXSocket
import DXWire
import NIOCore

/// A UDP socket of its own that asks STUN servers and hears their answers: NAT behaviour needs sockets that have sent nothing
/// before (`docs/matchmaking.md` §8). Bound to an event loop.
final class STUNSocket {
    private var socket: UDPEndpoint<STUNSocket>?
    private var random: RandomSource
    /// What is waited for, by transaction: the owner's number, and whom it was asked.
    private var waiting: [TransactionID: (number: Int, pin: GatewayID?)] = [:]
    /// Of the matchmakers that were asked.
    private var veils: [GatewayID: MatchVeil] = [:]
    private let onAnswer: (Answer) -> Void

    /// More than a probe ever asks.
    private static let mostWaiting = 128

    /// An answer, or a request of our own that came back by the NAT (hairpin).
    struct Answer {
        var number: Int
        var observed: Endpoint
        var otherAddress: Endpoint?
        /// The pin that a matchmaker says it has.
        var pin: GatewayID?
    }

    /// Bytes of a request that has the answer tell its SOFTWARE: an answer is not longer than its request for that. All addresses
    /// of IPv6, and a name with a pin.
    private static let wordyByteCount = STUNMessage.headByteCount + 4 * 24 + 4 + STUNServer.maximumSoftware

    /// A new socket for one family; nil when the system gives none.
    ///
    /// - Parameter onAnswer: called on the event loop.
    init?(
        _ family: Endpoint.Family, on eventLoop: any EventLoop, random: RandomSource,
        onAnswer: @escaping (Answer) -> Void
    ) {
        self.random = random
        self.onAnswer = onAnswer
        let any = family == .v4 ? Endpoint(v4: 0, port: 0) : Endpoint(v6High: 0, low: 0, port: 0)
        socket = try? UDPEndpoint(
            listen: ListenAddress(any), configuration: .small, on: eventLoop, handler: self)
        guard socket != nil else { return nil }
    }

    /// The port.
    var port: UInt16 { socket?.localEndpoints.first?.port ?? 0 }

    /// The endpoints of the socket: its port with each address of the host.
    var ownEndpoints: [Endpoint] { LocalAddresses.reachable(socket?.localEndpoints ?? []) }

    /// Sends a Binding request; its answer comes with `number`.
    ///
    /// - Parameters:
    ///   - pin: of a matchmaker, which is asked under its veil; nil for plain STUN.
    ///   - wantsPin: makes a plain request so long that a matchmaker has room to say its pin.
    func ask(
        _ number: Int, at server: Endpoint, of pin: GatewayID?, change: STUNChange? = nil, wantsPin: Bool = false
    ) {
        let transaction = TransactionID(random: &random)
        if waiting.count >= Self.mostWaiting { waiting.removeAll() }
        waiting[transaction] = (number, pin)
        var request = STUNMessage(kind: .request, transaction: transaction)
        request.changeRequest = change
        if let pin {
            let text = [UInt8](capacity: request.byteCount()) { request.write(to: &$0) }
            let message = [UInt8](capacity: VeiledSTUN.requestByteCount) {
                VeiledSTUN.write(request: unsafe text.span.bytes, to: &$0)
            }
            guard let datagram = try? veil(of: pin).seal(unsafe message.span.bytes) else { return }
            socket?.sender.append(to: server, from: nil, ecn: .notECT, maximumByteCount: datagram.count) {
                unsafe $0.write(datagram.span.bytes)
            }
        } else {
            // SOFTWARE is what a request may have of any length, and is not answered to.
            let filling = [UInt8](
                repeating: UInt8(ascii: "."), count: wantsPin ? Self.wordyByteCount - request.byteCount() : 0)
            let byteCount = request.byteCount(softwareByteCount: filling.count)
            socket?.sender.append(to: server, from: nil, ecn: .notECT, maximumByteCount: byteCount) {
                unsafe request.write(software: filling.span.bytes, to: &$0)
            }
        }
        socket?.sender.flush()
    }

    private func veil(of pin: GatewayID) throws(SecureError) -> MatchVeil {
        if let known = veils[pin] { return known }
        let veil = try MatchVeil(pin: pin, isMatchmaker: false)
        veils[pin] = veil
        return veil
    }

    /// Lets the socket go.
    func close() {
        socket?.close()
        socket = nil
    }
}

extension STUNSocket: DatagramHandler {
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        if STUNMessage.isPossible(datagram.bytes) { return take(datagram.bytes, from: source, pin: nil) }
        for (pin, veil) in veils {
            guard let bytes = veil.open(datagram.bytes) else { continue }
            let opened = unsafe bytes.span.bytes
            guard case .stunAnswer(let answer) = try? MatchMessage(reading: opened) else { return }
            let slice = answer.message
            return take(opened.extracting(slice.offset..<(slice.offset + slice.count)), from: source, pin: pin)
        }
    }

    private func take(_ text: RawSpan, from source: Endpoint, pin: GatewayID?) {
        guard let message = try? STUNMessage(reading: text), let asked = waiting[message.transaction],
            // What was asked under a veil is answered under it.
            asked.pin == pin
        else { return }
        let number = asked.number
        switch message.kind {
        case .success:
            guard let observed = message.observed else { return }
            let said = message.software.flatMap { place in
                STUNSoftware.pin(in: text.extracting(place.offset..<place.offset + place.count))
            }
            onAnswer(Answer(number: number, observed: observed, otherAddress: message.otherAddress, pin: said))
        // Our own, turned back by the NAT.
        case .request: onAnswer(Answer(number: number, observed: source))
        case .indication, .failure: break
        }
    }

    func batchEnded(now: Instant) {}
    func becameWritable(now: Instant) {}
}

@available(*, unavailable)
extension STUNSocket: Sendable {}
