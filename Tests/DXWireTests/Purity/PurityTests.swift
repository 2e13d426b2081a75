import Testing

/// The pure modules name no socket, clock, thread or task, and no randomness that was not handed in.
@Suite struct PurityTests {
    /// Each pure module and what it may import; NIOCore is there for ByteBuffer alone.
    static let modules: [(name: String, imports: Set<String>)] = [
        ("DXWire", []),
        ("DXStream", ["DXWire", "NIOCore", "DequeModule"]),
        // Comes with the matchmaker; until then there is nothing to search.
        ("DXMatch", ["DXWire", "NIOCore", "DequeModule"]),
    ]

    @Test(arguments: modules)
    func theModuleIsPure(name: String, imports: Set<String>) throws {
        let files = try RepositoryFiles.texts(under: "Sources/\(name)", suffix: ".swift")
        #expect(!files.isEmpty || name == "DXMatch", "Sources/\(name) was not found")
        let declaresChannel = files.contains { PurityScanner.declaresChannel($0.text) }
        let scanner = PurityScanner(allowedImports: imports, declaresChannel: declaresChannel)
        for file in files {
            for violation in scanner.violations(in: file.text) { Issue.record("\(file.path): \(violation)") }
        }
    }

    private let scanner = PurityScanner(allowedImports: ["DXWire", "NIOCore"], declaresChannel: false)

    /// What the search is for must be found, or the test above says nothing.
    @Test(arguments: [
        ("let now = ContinuousClock.now", "ContinuousClock"),
        ("func run(on loop: any EventLoop) {}", "EventLoop"),
        ("let deadline: NIODeadline = .now()", "NIODeadline"),
        ("let channel: any Channel", "Channel"),
        ("let now = Date()", "Date"),
        ("let now = DispatchTime.now()", "DispatchTime"),
        ("Task { work() }", "Task"),
        ("func work() async {}", "async"),
        ("await work()", "await"),
        ("var random = SystemRandomNumberGenerator()", "SystemRandomNumberGenerator"),
        ("clock_gettime(CLOCK_MONOTONIC, &time)", "clock_gettime"),
        ("let descriptor = socket(AF_INET, 2, 0)", "socket()"),
        ("let seconds = time(nil)", "time()"),
        ("let number = Int.random(in: 0..<4)", ".random() without `using:`"),
        ("let number = list\n    .shuffled()", ".shuffled() without `using:`"),
        ("let text = \"it is \\(Date())\"", "Date"),
        ("let text = #\"it is \\#(Date())\"#", "Date"),
        ("let text = \"\"\"\n    \\(wrap(\"a)b\", Date()))\n    \"\"\"", "Date"),
        ("/* over */ Task {}", "Task"),
        ("import Foundation", "import Foundation"),
        ("internal import Glibc", "import Glibc"),
        ("@preconcurrency public import struct Foundation.URL", "import Foundation"),
        ("import DXWire; import Synchronization", "import Synchronization"),
        ("print(\"here\")", "print()"),
    ])
    func aPlantedBreachIsFound(code: String, what: String) {
        let found = scanner.violations(in: "import DXWire\n" + code + "\nlet done = true\n")
        #expect(found.map(\.what).contains(what), "\(found)")
        #expect(found.allSatisfy { $0.line >= 2 })
    }

    @Test(arguments: [
        "// a Task that reads Date() from an EventLoop",
        "/// import Foundation",
        "/* Task /* nested */ Date() */ let one = 1",
        "let text = \"Task, Date() and async: \\\" await\"",
        "let text = #\"a \" Task \\(Date())\"#",
        "let text = \"\"\"\n    Task \"quoted\" Date()\n    \"\"\"",
        "import DXWire",
        "public import NIOCore",
        "var buffer = NIOCore.ByteBuffer()",
        "let number = Int.random(in: 0..<max(1, 4), using: &random)",
        "let number = random.below(4)",
        "mutating func random() -> UInt64 { 4 }",
        "let taskCount = updates.time(now: later)",
        "struct Tasks { var asynchronous = true }",
    ])
    func whatIsAllowedIsNotFound(code: String) {
        #expect(scanner.violations(in: code) == [])
    }

    @Test func aChannelOfOurOwnIsAllowed() {
        let text = "public struct Channel {}\nvar channel: Channel"
        #expect(PurityScanner.declaresChannel(text))
        #expect(!PurityScanner.declaresChannel("// struct Channel\nvar channel: Channel"))
        #expect(PurityScanner(allowedImports: [], declaresChannel: true).violations(in: text) == [])
    }

    @Test func linesAreCountedThroughCommentsAndLiterals() {
        let text = "/*\n\n*/\nlet text = \"\"\"\n    a\n    \"\"\"\nTask {}\n"
        #expect(scanner.violations(in: text) == [PurityScanner.Violation(line: 7, what: "Task")])
    }
}
