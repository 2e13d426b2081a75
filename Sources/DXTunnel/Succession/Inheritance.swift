import DXSocket
import Glibc
import NIOConcurrencyHelpers

/// What this start of a gateway takes over from the one before (`docs/restart.md` §3). Each thing is taken once; what nobody has taken when
/// this value goes, or at `closeRest`, is closed.
package final class Inheritance: Sendable {
    private let bequest: Bequest
    /// Descriptors by their places, as long as they are here.
    private let left: NIOLockedValueBox<[Int: CInt]>

    /// Takes the descriptors of a bequest, or closes them: nil when it is not whole.
    package init?(_ bequest: Bequest) {
        guard bequest.isWhole else {
            for descriptor in bequest.descriptors { close(descriptor) }
            return nil
        }
        self.bequest = bequest
        left = NIOLockedValueBox(
            Dictionary(uniqueKeysWithValues: bequest.descriptors.enumerated().map { ($0.offset, $0.element) }))
    }

    deinit { closeRest() }

    /// How many event loops there were.
    var loopCount: Int { bequest.loopCount }

    private func isHere(_ place: Int) -> Bool { left.withLockedValue { $0[place] != nil } }

    private func take(_ place: Int) -> CInt? { left.withLockedValue { $0.removeValue(forKey: place) } }

    /// The UDP sockets of an event loop.
    func sockets(of loop: Int) -> [InheritedSocket] {
        bequest.sockets.filter { $0.loop == loop }.compactMap { socket in
            take(socket.place).map { InheritedSocket(stripe: socket.stripe, descriptor: $0) }
        }
    }

    /// A tunnel's listener at an address, and whether clients can connect already; nil when there was none. One that another tunnel had
    /// there is as good, unless its port was a random one: clients know that as the other tunnel's.
    func listener(of tunnel: String, at place: ListenerPlace) -> (descriptor: CInt, isListening: Bool)? {
        let there = bequest.listeners.filter { $0.address == "\(place.address)" && isHere($0.place) }
        let found =
            there.first { $0.tunnel == tunnel && $0.offset == place.offset }
            ?? there.first { !$0.address.hasSuffix(":0") }
        guard let found, let descriptor = take(found.place) else { return nil }
        return (descriptor, found.isListening)
    }

    /// The end of the stream for datagrams of the earlier start's sessions on that event loop.
    func relay(of loop: Int) -> CInt? { bequest.relays.indices.contains(loop) ? take(bequest.relays[loop]) : nil }

    /// Closes what nobody has taken: clients that wait there are refused.
    func closeRest() {
        left.withLockedValue { left in
            for descriptor in left.values { close(descriptor) }
            left.removeAll()
        }
    }
}
