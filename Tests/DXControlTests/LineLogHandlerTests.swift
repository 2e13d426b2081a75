import DXControl
import DXTunnel
import Logging
import Synchronization
import Testing

@Suite struct LineLogHandlerTests {
    /// The lines that `body` logs.
    private func lines(_ format: LineLogHandler.Format, _ body: (Logger) -> Void) -> [String] {
        let collected = Collected()
        var handler = LineLogHandler(
            label: "gateway", format: format, logLevel: .info,
            clock: { Timestamp(unixMilliseconds: 1_789_286_702_070) }, sink: { collected.add($0) })
        handler[metadataKey: "peer"] = "cloud-1"
        body(Logger(label: "gateway") { _ in handler })
        return collected.lines
    }

    private final class Collected: Sendable {
        private let storage = Mutex<[String]>([])
        var lines: [String] { storage.withLock { $0 } }
        func add(_ line: String) { storage.withLock { $0.append(line) } }
    }

    @Test func writesForPeople() {
        let lines = lines(.text) { logger in
            logger.debug("unseen")
            logger.info("connected", metadata: ["address": "192.0.2.1:7700", "reason": "", "words": "a b"])
        }
        #expect(
            lines == [
                "2026-09-13T08:05:02.070Z info gateway: connected address=192.0.2.1:7700 peer=cloud-1 reason=\"\""
                    + " words=\"a b\"\n"
            ])
    }

    /// A switch changes loggers that are there already, whoever has copied them.
    @Test func theLevelChangesWhileItRuns() {
        let collected = Collected()
        let levels = LogLevelSwitch(.info)
        let logger = Logger(label: "gateway") { label in
            LineLogHandler(label: label, levels: levels, sink: { collected.add($0) })
        }
        var quiet = logger
        quiet.logLevel = .error
        logger.debug("before")
        levels.set(.debug)
        logger.debug("with more")
        quiet.notice("by its own level")
        levels.set(.critical)
        logger.error("with less")
        levels.set(.info)
        logger.info("as usual")
        #expect(collected.lines.count == 2)
        #expect(collected.lines[0].contains("with more") && collected.lines[1].contains("as usual"))
    }

    @Test func aChangeForATimeEndsByItself() async throws {
        let levels = LogLevelSwitch(.notice)
        #expect(levels.level == .notice && levels.secondsLeft == nil)
        levels.set(.trace, for: .seconds(3_600))
        #expect(levels.level == .trace)
        levels.set(.trace, for: .milliseconds(20))
        while levels.level == .trace { try await Task.sleep(for: .milliseconds(2)) }
        #expect(levels.level == .notice && levels.secondsLeft == nil)
        // One that was changed meanwhile stays as it is then.
        let later = LogLevelSwitch(.notice)
        levels.set(.trace, for: .milliseconds(20))
        later.set(.trace, for: .milliseconds(60))
        levels.set(.error)
        while later.level == .trace { try await Task.sleep(for: .milliseconds(2)) }
        #expect(levels.level == .error)
        levels.set(.debug, for: .seconds(3_600))
        #expect((3_500...3_600).contains(levels.secondsLeft ?? 0))
    }

    @Test func cannotBeMadeToForgeALine() {
        let lines = lines(.text) { $0.error("a\nb\u{1b}[2J", metadata: ["peer": "x\r\ny\u{9b}"]) }
        #expect(
            lines == [
                "2026-09-13T08:05:02.070Z error gateway: a\\nb\\u{1B}[2J peer=x\\r\\ny\\u{009B}\n"
            ])
    }

    @Test func writesJSON() {
        let lines = lines(.json) { logger in
            logger.warning("a \"b\"\n", metadata: ["list": ["1", "2"], "map": ["k": "v"]])
        }
        #expect(
            lines == [
                #"{"level":"warning","logger":"gateway","message":"a \"b\"\n","metadata":{"list":["1","2"],"#
                    + #""map":{"k":"v"},"peer":"cloud-1"},"time":"2026-09-13T08:05:02.070Z"}"# + "\n"
            ])
    }
}
