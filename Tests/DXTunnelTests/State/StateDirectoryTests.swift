import DXSecure
import DXTestFiles
import Testing

@testable import DXTunnel

/// A gateway's state directory: made, read again, refused.
@Suite struct StateDirectoryTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.file("state") }

    private func create(recovery: String? = nil) throws(StateProblem) -> GroupSummary {
        try GroupCreation(group: "plant", gateway: "hq", stateDirectory: path, recoveryFile: recovery).run()
    }

    @Test func aNewGroupHasThisGatewayAsItsAdmin() throws {
        let summary = try create()
        #expect(summary.group == "plant")
        #expect(summary.epoch == 1)
        #expect(summary.members.map(\.name) == ["hq"])
        let this = try #require(summary.thisGateway)
        #expect(this.admin)
        let state = StateDirectory(reading: path)
        #expect(try state.identity().gatewayID.text == this.gateway)
        // The root key that is kept is the one that the group's id comes from.
        let root = try Identity.read(from: state.rootKeyPath)
        #expect(try state.group().rootKey == root.publicKey)
        #expect(summary.rootKeyFile == state.rootKeyPath)
        // The document names the epoch whose secret lies beside it.
        let epoch = try #require(try state.epochs().last)
        #expect(try state.group().records.contains { $0.key == .init(kind: .epoch, id: epoch.recordID) })
    }

    @Test func nobodyElseMayReadAnyOfIt() throws {
        _ = try create()
        #expect(TemporaryDirectory.mode(of: path) == 0o700)
        for name in try names() { #expect(TemporaryDirectory.mode(of: path + "/" + name) == 0o600, "\(name)") }
        directory.setMode(0o640, of: "state/group.state")
        let problem = #expect(throws: StateProblem.self) { try GroupSummary(stateDirectory: path) }
        #expect(problem?.remedy == "run chmod 600 \(path)/group.state")
    }

    @Test func theRootKeyMayGoElsewhere() throws {
        let file = directory.file("root.key")
        #expect(try create(recovery: file).rootKeyFile == nil)
        #expect(TemporaryDirectory.mode(of: path + "/root.key") == nil)
        #expect(try Identity.read(from: file).publicKey == StateDirectory(reading: path).group().rootKey)
    }

    @Test func nothingIsOverwritten() throws {
        let file = directory.write("mine", to: "root.key")
        #expect(throws: StateProblem.self) { try create(recovery: file) }
        let first = try create()
        let problem = #expect(throws: StateProblem.self) { try create() }
        #expect(problem?.message == "holds a group already")
        #expect(try GroupSummary(stateDirectory: path).groupID == first.groupID)
    }

    /// An identity that was made before, and may be known by its fingerprint, stays.
    @Test func anIdentityThatIsThereIsUsed() throws {
        directory.makeDirectory("state")
        let id = try KeyFiles.createIdentity(at: path + "/identity.key")
        #expect(try create().thisGateway?.gateway == id.text)
    }

    @Test func oneAtATimeChangesIt() throws {
        let first = try StateDirectory(locking: path)
        let problem = #expect(throws: StateProblem.self) { try StateDirectory(locking: path) }
        #expect(problem?.message == "is in use by another dxgateway")
        // Who only reads does not wait.
        #expect(!StateDirectory(reading: path).hasGroup)
        withExtendedLifetime(first) {}
    }

    @Test func whatACrashLeftBehindIsRemoved() throws {
        _ = try create()
        directory.write("half", to: "state/group.state.new-1x2y")
        _ = try StateDirectory(locking: path)
        #expect(try !names().contains { $0.contains(".new-") })
    }

    @Test func badNamesAreRefused() {
        for name in ["", "a b", "-x", String(repeating: "a", count: 64)] {
            #expect(throws: StateProblem.self) {
                try GroupCreation(group: name, gateway: "hq", stateDirectory: path).run()
            }
        }
    }

    @Test func noGroupSaysWhatToDo() throws {
        directory.makeDirectory("state")
        let problem = #expect(throws: StateProblem.self) { try GroupSummary(stateDirectory: path) }
        #expect(problem?.description.hasPrefix("\(path): holds no group; ") == true)
    }

    /// A secret under another one's name would have the gateway use the wrong one.
    @Test func anExchangedSecretIsNoticed() throws {
        _ = try create()
        let name = try #require(try names().first { $0.hasPrefix("epoch-") })
        try VeilSecret.generate().write(to: path + "/" + name)
        #expect(throws: StateProblem.self) { try StateDirectory(reading: path).epochs() }
    }

    private func names() throws -> [String] { directory.names(in: "state") }
}
