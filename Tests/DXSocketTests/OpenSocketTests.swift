import DXWire
import Glibc
import Testing

@testable import DXSocket

/// What the machine under test does not do by itself: lack a family, or have a port taken in the other one.
@Suite struct OpenSocketTests {
    private func reallyOpen(_ local: Endpoint) throws(BindError) -> OpenSocket {
        try OpenSocket(local: local, configuration: SocketConfiguration())
    }

    @Test(arguments: [EAFNOSUPPORT, EADDRNOTAVAIL])
    func withoutIPv6ThereIsIPv4AndAWordAboutIt(_ code: Int32) throws {
        let set = try OpenSocket.open(ListenAddress(anyAt: 0)) { local throws(BindError) in
            if local.family == .v6 { throw BindError(local, code) }
            return try reallyOpen(local)
        }
        defer { set.close() }
        #expect(set.v4 != nil && set.v6 == nil)
        #expect(set.unavailable == .v6)
    }

    @Test func withoutIPv4ThereIsIPv6() throws {
        let set = try OpenSocket.open(ListenAddress(anyAt: 0)) { local throws(BindError) in
            if local.family == .v4 { throw BindError(local, EAFNOSUPPORT) }
            return try reallyOpen(local)
        }
        defer { set.close() }
        #expect(set.v4 == nil && set.v6 != nil)
        #expect(set.unavailable == .v4)
    }

    @Test func withoutEitherThereIsAnError() {
        #expect {
            try OpenSocket.open(ListenAddress(anyAt: 0)) { local throws(BindError) in
                throw BindError(local, EAFNOSUPPORT)
            }
        } throws: { error in
            (error as? BindError)?.reason == .familyUnavailable
        }
    }

    @Test func aRandomPortTakenInTheOtherFamilyIsTriedAgain() throws {
        var refusals = 0
        let set = try OpenSocket.open(ListenAddress(anyAt: 0)) { local throws(BindError) in
            if local.family == .v6, refusals < 15 {
                refusals += 1
                throw BindError(local, EADDRINUSE)
            }
            return try reallyOpen(local)
        }
        defer { set.close() }
        #expect(refusals == 15)
        #expect(set.v4?.capabilities.local.port == set.v6?.capabilities.local.port)
    }

    @Test func theTriesEnd() {
        var opened = 0
        #expect {
            try OpenSocket.open(ListenAddress(anyAt: 0)) { local throws(BindError) in
                if local.family == .v6 { throw BindError(local, EADDRINUSE) }
                opened += 1
                return try reallyOpen(local)
            }
        } throws: { error in
            (error as? BindError)?.reason == .portInUse
        }
        #expect(opened == 16)
    }

    @Test func aGivenPortIsTriedOnce() {
        var tries = 0
        #expect(throws: BindError.self) {
            try OpenSocket.open(ListenAddress(anyAt: 7)) { local throws(BindError) in
                tries += 1
                throw BindError(local, EADDRINUSE)
            }
        }
        #expect(tries == 1)
    }

    @Test(arguments: [
        (EADDRINUSE, "is in use"), (EADDRNOTAVAIL, "no interface"), (EACCES, "without privileges"),
        (EAFNOSUPPORT, "no such address family"), (EMFILE, "Too many open files"),
    ])
    func errorsNameTheAddressAndSayWhatIsWrong(_ code: Int32, _ words: String) {
        let text = BindError(Endpoint(v6High: 0, low: 1, port: 7700), code).description
        #expect(text.contains("[::1]:7700") && text.contains(words))
    }
}
