import DXMatch
import DXSecure
import DXSocket
import DXTestFiles
import DXWire
import Foundation
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import DXMatchRedis
@testable import DXMatchServer

/// A real redis-server on loopback, that keeps nothing and wants a password.
private final class RedisServer {
    static let program = "/usr/bin/redis-server"
    let directory: TemporaryDirectory
    let port: UInt16
    private var process = Process()

    init(in directory: TemporaryDirectory) throws {
        self.directory = directory
        // Free a moment ago, and nobody is given it again so soon.
        let probe = LoopbackTransport(to: Endpoint(v4: 0x7f00_0001, port: 9))
        port = probe.address.port
        directory.write("s3cret\n", to: "redis.password")
        try start()
    }

    deinit { kill() }

    var address: String { "redis://:\(directory.file("redis.password"))@127.0.0.1:\(port)/3" }

    func start() throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = [
            "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", "s3cret",
            "--dir", directory.path, "--logfile", directory.file("redis.log"),
        ]
        try process.run()
    }

    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

/// Two instances of one matchmaker and a Redis between them.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: RedisServer.program)), .serialized)
struct RedisMirrorTests {
    private let directory = TemporaryDirectory()
    private let matchKey = try! Identity.generate()

    /// One instance, and what it shares by.
    private struct Instance {
        let matchmaker: Matchmaker
        let mirror: RedisMirror

        func stop() async throws {
            try await mirror.stop()
            try await matchmaker.stop()
        }
    }

    /// Both of one state directory, unless another is named.
    private func start(_ address: String, state name: String = "state") async throws -> Instance {
        let state = try MatchState(directory: directory.file(name), now: UnixClock.now())
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let mirror = RedisMirror(
            try RedisAddress(text: address), pin: state.pin, secrets: state.secrets, logger: logger)
        let matchmaker = try await Matchmaker.start(
            Matchmaker.Configuration(
                listen: MatchListen([ListenAddress(Endpoint(v4: 0x7f00_0001, port: 0))], alternatePort: nil),
                groups: .listed([FrontLab.hash(matchKey)])),
            state: state, mirror: mirror, logger: logger, on: MultiThreadedEventLoopGroup.singleton.next())
        mirror.start(matchmaker)
        return Instance(matchmaker: matchmaker, mirror: mirror)
    }

    private func member(_ instance: Instance) throws -> TestGateway {
        let gateway = try TestGateway(
            pin: instance.matchmaker.pin, matchKey: matchKey,
            over: LoopbackTransport(to: instance.matchmaker.localEndpoints[0]))
        try gateway.takeTicket()
        try gateway.register()
        return gateway
    }

    private func registrations(_ instance: Instance) async throws -> Int {
        try await instance.matchmaker.status().front.server.registrations
    }

    /// Waits until each of them lists so many.
    private func until(_ instances: [Instance], list count: Int, _ what: String) async throws {
        for instance in instances { try await Polling.wait(until: what) { try await registrations(instance) == count } }
    }

    /// A member at each is introduced across, while Redis is there; alone without it; and again when it is back.
    @Test func outlivesItsRegistry() async throws {
        let redis = try RedisServer(in: directory)
        let (one, two) = (try await start(redis.address), try await start(redis.address))
        try await Polling.wait(until: "both reach Redis") {
            one.mirror.statistics.isConnected && two.mirror.statistics.isConnected
        }
        let (here, there) = (try member(one), try member(two))
        try await until([one, two], list: 2, "each lists both")
        try meet(here, there, nonce: 1)
        try meet(there, here, nonce: 2)

        redis.kill()
        try await Polling.wait(until: "both miss Redis") {
            !one.mirror.statistics.isConnected && !two.mirror.statistics.isConnected
        }
        let late = try member(one)
        #expect(try late.roster().map(\.entry.memberTag).sorted() == [here.memberTag, there.memberTag].sorted())
        try meet(late, here, nonce: 3)
        #expect(try here.refresh() != nil)
        #expect(try await registrations(two) == 2)

        try redis.start()
        try await until([two], list: 3, "the other lists who came meanwhile")
        #expect(one.mirror.statistics.reconnects == 1 && one.mirror.statistics.lost > 0)
        try meet(there, late, nonce: 4)
        // Who starts later hears of all.
        let three = try await start(redis.address)
        try await until([three], list: 3, "a third lists all")
        let across = try member(three)
        try await until([one, two], list: 4, "all list the fourth")
        try meet(across, there, nonce: 5)
        // What ends is listed nowhere.
        #expect(try late.leave() == .status(.leave, .done))
        try await until([two, three], list: 3, "one has left")
        try await one.stop()
        try await until([two, three], list: 2, "an instance has ended")
        #expect(two.mirror.statistics.unreadable == 0)
        try await two.stop()
        try await three.stop()
    }

    private func meet(_ asker: TestGateway, _ other: TestGateway, nonce: UInt64) throws {
        guard case .introduced(let answer) = try asker.introduce(other.memberTag, nonce: nonce) else {
            Issue.record("not introduced")
            return
        }
        #expect(answer.address == other.transport.address)
        let heard = try #require(try other.hearNotice())
        #expect(heard.notice.memberTag == asker.memberTag && heard.notice.nonce == nonce && heard.blob == asker.blob)
        #expect(heard.notice.address == asker.transport.address)
        // Acknowledged, so that it does not come again: the answer is the next that is heard, or another sending of it is.
        let refresh = try other.sealed(try other.refreshMessage(notice: heard.number))
        (other.transport as? LoopbackTransport)?.send(refresh)
        while let datagram = other.transport.hear() {
            if case .refreshed = try other.opened(datagram).0 { break }
        }
    }

    /// An instance with other secrets shares the Redis and nothing else; one with a wrong password goes on alone.
    @Test func strangersShareNothing() async throws {
        let redis = try RedisServer(in: directory)
        let one = try await start(redis.address)
        try await Polling.wait(until: "it reaches Redis") { one.mirror.statistics.isConnected }
        _ = try member(one)
        // The same pin, so that it looks in the same place.
        let made = try MatchState(directory: directory.file("state"), now: UnixClock.now())
        directory.makeDirectory("stranger")
        try made.identity.write(to: directory.file("stranger/matchd.key"))
        let stranger = try await start(redis.address, state: "stranger")
        try await Polling.wait(until: "it reaches Redis too") { stranger.mirror.statistics.isConnected }
        #expect(try await registrations(stranger) == 0)
        try await Polling.wait(until: "what it found does not open") { stranger.mirror.statistics.unreadable > 0 }
        directory.write("wrong\n", to: "wrong.password")
        let alone = try await start("redis://:\(directory.file("wrong.password"))@127.0.0.1:\(redis.port)/3")
        let gateway = try member(alone)
        #expect(try gateway.refresh() != nil)
        #expect(!alone.mirror.statistics.isConnected && alone.mirror.statistics.lost > 0)
        for instance in [one, stranger, alone] { try await instance.stop() }
    }
}

@Suite struct RedisAddressTests {
    @Test func forms() throws {
        let plain = try RedisAddress(text: "redis://redis.example:6380/2")
        #expect(
            plain.host == "redis.example" && plain.port == 6_380 && plain.database == 2 && plain.passwordFile == nil)
        let full = try RedisAddress(text: "redis://:/etc/dx/redis@1@[::1]:7/0")
        #expect(full.host == "::1" && full.port == 7 && full.passwordFile == "/etc/dx/redis@1")
        #expect("\(full)" == "redis://[::1]:7/0")
        #expect(try RedisAddress(text: "redis://h") == RedisAddress(text: "redis://h:6379/0"))
    }

    @Test(arguments: [
        "memcache://h", "redis://", "redis://:6379", "redis://h:0", "redis://h:x", "redis://h/x", "redis://h/-1",
        "redis://user:pw@h", "redis://@h", "redis://:@h",
    ])
    func mistakes(_ text: String) {
        #expect(throws: RedisAddress.Problem.self) { try RedisAddress(text: text) }
    }
}
