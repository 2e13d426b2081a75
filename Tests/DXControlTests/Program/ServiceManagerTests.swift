import DXTestFiles
import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import DXControl

/// What the service manager is told (sd_notify(3)), read at a socket of its kind.
@Suite struct ServiceManagerTests {
    @Test func readsTheEnvironment() {
        func manager(_ environment: [String: String]) -> ServiceManager? {
            ServiceManager(environment: environment, process: 7)
        }
        #expect(manager([:]) == nil)
        #expect(manager(["NOTIFY_SOCKET": ""]) == nil)
        #expect(manager(["NOTIFY_SOCKET": "relative"]) == nil)
        #expect(manager(["NOTIFY_SOCKET": "/"]) == nil)
        let plain = manager(["NOTIFY_SOCKET": "/run/s"])
        #expect(plain != nil && plain?.watchdog == nil)
        let watched = ["NOTIFY_SOCKET": "@s", "WATCHDOG_USEC": "5000000"]
        #expect(manager(watched)?.watchdog == .seconds(5))
        #expect(manager(watched)?.pause == .milliseconds(1_250))
        #expect(plain?.pause == .seconds(30))
        #expect(manager(["NOTIFY_SOCKET": "@s", "WATCHDOG_USEC": "600000000"])?.pause == .seconds(30))
        #expect(manager(watched.merging(["WATCHDOG_PID": "7"]) { $1 })?.watchdog == .seconds(5))
        #expect(manager(watched.merging(["WATCHDOG_PID": "8"]) { $1 })?.watchdog == nil)
        for wrong in ["0", "-1", "x", "99999999999999999999"] {
            #expect(manager(watched.merging(["WATCHDOG_USEC": wrong]) { $1 })?.watchdog == nil)
        }
    }

    /// A status of several lines would be taken for further assignments.
    @Test func aStatusIsOneLine() {
        #expect(ServiceManager.line("a\nREADY=1\r\nb\0") == "a READY=1 b ")
        #expect(ServiceManager.line(String(repeating: "x", count: 300)).count == 200)
    }

    @Test(arguments: [false, true]) func tellsThatItIsReadyAliveAndStopping(isAbstract: Bool) async throws {
        let directory = TemporaryDirectory()
        let name = isAbstract ? "@dx-test-\(getpid())" : directory.file("notify")
        let socket = try NotifySocket(name)
        let manager = try #require(
            ServiceManager(environment: ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"], process: getpid()))
        let looks = Mutex(0)
        struct NotYet: Error {}
        let reporter = ServiceManagerReporter(manager, logger: Logger(label: "test")) {
            let count = looks.withLock { looks in
                looks += 1
                return looks
            }
            guard count > 2 else { throw NotYet() }
            return "look \(count)"
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [reporter], logger: Logger(label: "test")))
        async let over: Void = group.run()
        #expect(try await socket.next() == "READY=1\nWATCHDOG=1\nSTATUS=look 3")
        #expect(try await socket.next() == "WATCHDOG=1\nSTATUS=look 4")
        #expect(try await socket.next() == "WATCHDOG=1\nSTATUS=look 5")
        await group.triggerGracefulShutdown()
        // What nobody reads fills the queue, and then there is no room for the last.
        var last = ""
        while !last.hasPrefix("STOPPING") { last = try await socket.next() }
        try await over
        #expect(last == "STOPPING=1\nSTATUS=stopping")
    }

    /// Nobody is there any more: nothing happens.
    @Test func aManagerThatIsGoneIsNoFailure() async throws {
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": "/nowhere/at/all"], process: 1))
        #expect(await !manager.ready("fine"))
        let long = try #require(
            ServiceManager(environment: ["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 300)], process: 1))
        #expect(await !long.ready("fine"))
    }

    /// A manager whose queue is full for a while: that the program is ready is not lost.
    @Test func whatIsNotTakenIsToldAgain() async throws {
        let directory = TemporaryDirectory()
        let name = directory.file("notify")
        let socket = try NotifySocket(name)
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": name], process: getpid()))
        var count = 0
        while await manager.alive("\(count)") { count += 1 }
        let telling = manager.tell("here")
        defer { telling.cancel() }
        for number in 0..<count { #expect(try await socket.next() == "WATCHDOG=1\nSTATUS=\(number)") }
        #expect(try await socket.next() == "READY=1\nWATCHDOG=1\nSTATUS=here")
    }
}

/// The manager's end: a socket of datagrams.
private final class NotifySocket: Sendable {
    private let descriptor: Int32

    struct Failed: Error { let number = errno }

    init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
            unsafe path.copyBytes(from: bytes)
            if bytes[0] == UInt8(ascii: "@") { unsafe path[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        guard result == 0 else { throw Failed() }
    }

    deinit { close(descriptor) }

    /// The next message.
    func next() async throws -> String {
        while true {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count >= 0 { return String(decoding: buffer[..<count], as: UTF8.self) }
            guard errno == EAGAIN else { throw Failed() }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}
