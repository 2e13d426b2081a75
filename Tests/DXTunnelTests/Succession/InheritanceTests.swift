import DXSocket
import FoundationEssentials
import Glibc
import Testing

@testable import DXTunnel

/// What one start of a gateway leaves to another (`docs/restart.md` §3).
@Suite struct InheritanceTests {
    private func descriptor() throws -> CInt {
        let descriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        return descriptor
    }

    private func isOpen(_ descriptor: CInt) -> Bool { fcntl(descriptor, F_GETFD) >= 0 }

    private func bequest() throws -> Bequest {
        var bequest = Bequest(loopCount: 1)
        bequest.sockets = [.init(loop: 0, stripe: 0, place: bequest.add(try descriptor()))]
        bequest.listeners = [
            .init(
                tunnel: "web", address: "127.0.0.1:80", offset: 0, isListening: true,
                place: bequest.add(try descriptor()))
        ]
        bequest.relays = [bequest.add(try descriptor())]
        return bequest
    }

    /// At random ports each tunnel has its own, and nobody that of another.
    @Test func randomPortsAreNotMixedUp() throws {
        var bequest = try bequest()
        for tunnel in ["a", "b"] {
            bequest.listeners.append(
                .init(
                    tunnel: tunnel, address: "127.0.0.1:0", offset: 0, isListening: true,
                    place: bequest.add(try descriptor())))
        }
        let inheritance = try #require(Inheritance(bequest))
        let place = try #require(
            ListenerPlace.known(.init(gateway: "a", listen: HostAddress(host: "127.0.0.1", port: 0)))?.first)
        #expect(inheritance.listener(of: "c", at: place) == nil)
        #expect(inheritance.listener(of: "b", at: place)?.descriptor == bequest.descriptors[4])
        #expect(inheritance.listener(of: "b", at: place) == nil)
        #expect(inheritance.listener(of: "a", at: place)?.descriptor == bequest.descriptors[3])
        for descriptor in bequest.descriptors.suffix(2) { close(descriptor) }
    }

    /// Each thing is taken once, and what nobody took is closed with the value.
    @Test func isTakenOnceOrClosed() throws {
        let bequest = try bequest()
        var inheritance = Inheritance(bequest)
        let place = try #require(
            ListenerPlace.known(.init(gateway: "a", listen: HostAddress(host: "127.0.0.1", port: 80)))?.first)
        let other = try #require(
            ListenerPlace.known(.init(gateway: "a", listen: HostAddress(host: "127.0.0.1", port: 81)))?.first)
        #expect(inheritance?.listener(of: "web", at: other) == nil)
        let listener = try #require(inheritance?.listener(of: "shop", at: place))
        #expect(listener == (bequest.descriptors[1], true))
        #expect(inheritance?.listener(of: "web", at: place) == nil)
        #expect(inheritance?.sockets(of: 1).isEmpty == true)
        #expect(inheritance?.sockets(of: 0).map(\.descriptor) == [bequest.descriptors[0]])
        #expect(inheritance?.relay(of: 1) == nil)
        inheritance = nil
        #expect(bequest.descriptors.map(isOpen) == [true, true, false])
        for descriptor in bequest.descriptors.prefix(2) { close(descriptor) }
    }

    /// A description that speaks of what is not there, or of something twice, is none; nothing stays open.
    @Test(arguments: 0..<5) func whatIsNotWholeIsRefused(_ fault: Int) throws {
        var bequest = try bequest()
        switch fault {
        case 0: bequest.sockets[0].place = 3
        case 1: bequest.listeners[0].place = -1
        case 2: bequest.relays = [0]
        case 3: bequest.relays = []
        default: bequest.sockets[0].loop = 1
        }
        #expect(Inheritance(bequest) == nil)
        #expect(!bequest.descriptors.contains(where: isOpen))
    }

    /// The description goes as text, and the descriptors beside it.
    @Test func isWrittenAsText() throws {
        var bequest = try bequest()
        var read = try JSONDecoder().decode(Bequest.self, from: JSONEncoder().encode(bequest))
        #expect(read.descriptors.isEmpty)
        read.descriptors = bequest.descriptors
        #expect(read == bequest)
        for descriptor in bequest.descriptors { close(descriptor) }
        bequest.descriptors = []
        #expect(Inheritance(bequest) == nil)
    }
}
