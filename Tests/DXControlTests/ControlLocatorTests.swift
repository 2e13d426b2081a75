import DXControl
import DXTestFiles
import Testing

@Suite struct ControlLocatorTests {
    private let system = TemporaryDirectory()
    private let user = TemporaryDirectory()

    private func locator(
        control: String? = nil, state: String? = nil, dxControl: String? = nil
    ) -> ControlLocator {
        var environment = ["XDG_RUNTIME_DIR": user.path]
        environment["DX_CONTROL"] = dxControl
        return ControlLocator(
            control: control, state: state, environment: environment, systemDirectory: system.path)
    }

    @Test func prefersWhatIsNamed() {
        system.makeDeadSocket("gateway.sock")
        #expect(locator(control: "/c", state: "/s", dxControl: "/e").locate() == .found("/c"))
        #expect(locator(state: "/s", dxControl: "/e").locate() == .found("/s/control.sock"))
        #expect(locator(dxControl: "/e").locate() == .found("/e"))
        #expect(locator(dxControl: "").locate() == .found(system.file("gateway.sock")))
    }

    @Test func looksInTheSystemsDirectoryThenTheUsers() {
        let expected = [system.file("gateway.sock"), user.file("dx/gateway.sock")]
        #expect(locator().locate() == .none(searched: expected))
        user.makeDirectory("dx")
        user.makeDeadSocket("dx/gateway.sock")
        #expect(locator().locate() == .found(expected[1]))
        system.makeDeadSocket("gateway.sock")
        #expect(locator().locate() == .found(expected[0]))
    }

    @Test func takesTheOnlySocketAndAsksBetweenSeveral() {
        system.write("not a socket", to: "a.sock")
        system.makeDeadSocket("edge-1.sock")
        #expect(locator().locate() == .found(system.file("edge-1.sock")))
        system.makeDeadSocket("edge-2.sock")
        #expect(locator().locate() == .several([system.file("edge-1.sock"), system.file("edge-2.sock")]))
        system.makeDeadSocket("gateway.sock")
        #expect(locator().locate() == .found(system.file("gateway.sock")))
    }

    @Test func defaultsToADirectoryOfTheRightOwner() {
        #expect(locator().defaultPath(isRoot: true) == system.file("gateway.sock"))
        #expect(locator().defaultPath(isRoot: false) == user.file("dx/gateway.sock"))
        #expect(ControlLocator(environment: [:]).defaultPath(isRoot: false) == nil)
        for isRoot in [true, false] {
            #expect(ControlLocator(environment: ["DX_CONTROL": "/x/y.sock"]).defaultPath(isRoot: isRoot) == "/x/y.sock")
        }
    }
}
