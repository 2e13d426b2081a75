/// Finds what a pure module must not name: clocks, sockets, threads, tasks, and randomness that was not handed in.
///
/// A search of words, not a compiler: it can be outwitted on purpose, and it stops what happens by habit.
struct PurityScanner {
    /// The modules that may be imported.
    let allowedImports: Set<String>
    /// Whether the module under test declares a type `Channel` of its own; otherwise the word means NIO's.
    let declaresChannel: Bool

    /// A breach of the rule.
    struct Violation: Equatable, CustomStringConvertible {
        let line: Int
        let what: String

        var description: String { "line \(line): \(what)" }
    }

    /// Words that are wrong wherever they stand as code.
    static let forbiddenWords: Set<String> = [
        // Effects of NIO. Words that begin with NIO or Dispatch are wrong without being listed.
        "EventLoop", "EventLoopGroup", "EventLoopFuture", "EventLoopPromise", "EmbeddedEventLoop", "EmbeddedChannel",
        "MultiThreadedEventLoopGroup", "ChannelHandler", "ChannelHandlerContext", "ChannelInboundHandler",
        "ChannelOutboundHandler", "ChannelDuplexHandler", "ChannelPipeline", "TimeAmount",
        // Clocks.
        "Clock", "ContinuousClock", "SuspendingClock", "Date", "clock_gettime", "gettimeofday", "usleep", "nanosleep",
        // Concurrency.
        "Task", "TaskGroup", "async", "await", "actor", "Thread", "pthread_create", "MainActor",
        // Chance.
        "SystemRandomNumberGenerator", "getrandom", "getentropy", "arc4random", "arc4random_buf",
        "arc4random_uniform",
        // The outside.
        "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "setsockopt", "getaddrinfo", "epoll_wait",
        "fopen", "getenv", "ProcessInfo", "FileManager", "FileHandle", "CommandLine",
    ]
    /// Words that are wrong when called by themselves: as a method of something they are somebody else's.
    static let forbiddenCalls: Set<String> = [
        "socket", "time", "clock", "sleep", "rand", "random", "srandom", "print", "debugPrint", "dump", "readLine",
    ]
    /// Methods that take the system's chance unless they are told what to use.
    static let methodsOfChance: Set<String> = ["random", "randomElement", "shuffled", "shuffle"]

    private static let modifiers: Set<String> = ["public", "package", "internal", "private", "fileprivate"]
    private static let importKinds: Set<String> = [
        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
    ]

    /// Whether `text` declares a type with the name `Channel`.
    static func declaresChannel(_ text: String) -> Bool {
        let words = words(of: Array(SwiftCode.stripped(text))).map(\.text)
        return zip(words, words.dropFirst()).contains { ["struct", "class", "enum"].contains($0) && $1 == "Channel" }
    }

    /// Every breach in the source file `text`, in order.
    func violations(in text: String) -> [Violation] {
        let code = SwiftCode.stripped(text)
        let lines = code.split(separator: "\n", omittingEmptySubsequences: false)
        let imports = lines.enumerated().flatMap { index, line in
            Self.importedModules(String(line)).filter { !allowedImports.contains($0) }
                .map { Violation(line: index + 1, what: "import \($0)") }
        }
        return imports + wordViolations(in: Array(code))
    }

    /// The modules that a line imports; several statements may share it.
    private static func importedModules(_ line: String) -> [String] {
        line.split(separator: ";").compactMap { statement in
            var words = statement.split(whereSeparator: \.isWhitespace).map(String.init)
            while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
            guard words.first == "import", words.count > 1 else { return nil }
            words.removeFirst()
            if words.count > 1, importKinds.contains(words[0]) { words.removeFirst() }
            return words[0].split(separator: ".").first.map(String.init)
        }
    }

    private struct Word {
        let text: String
        let line: Int
        /// What stands before and after it, spaces left out.
        let before: Character?
        let after: Character?
        /// The place behind it.
        let end: Int
    }

    private static func words(of code: [Character]) -> [Word] {
        var words: [Word] = []
        var line = 1
        var index = 0
        func isPart(_ character: Character) -> Bool { character.isLetter || character.isNumber || character == "_" }
        var before: Character?
        while index < code.count {
            let start = index
            while index < code.count, isPart(code[index]) { index += 1 }
            if index > start {
                let after = code[index...].first { !$0.isWhitespace }
                words.append(
                    Word(text: String(code[start..<index]), line: line, before: before, after: after, end: index))
                before = code[index - 1]
            } else {
                if code[index].isNewline { line += 1 }
                if !code[index].isWhitespace { before = code[index] }
                index += 1
            }
        }
        return words
    }

    private func wordViolations(in code: [Character]) -> [Violation] {
        let words = Self.words(of: code)
        return words.indices.compactMap { index in
            let word = words[index]
            let isDeclared = index > 0 && words[index - 1].text == "func"
            return reason(against: word, isDeclared: isDeclared, in: code).map { Violation(line: word.line, what: $0) }
        }
    }

    private func reason(against word: Word, isDeclared: Bool, in code: [Character]) -> String? {
        if Self.forbiddenWords.contains(word.text) { return word.text }
        if word.text == "Channel" && !declaresChannel { return word.text }
        if word.text.hasPrefix("Dispatch") { return word.text }
        if word.text.hasPrefix("NIO") && !allowedImports.contains(word.text) { return word.text }
        guard word.after == "(", !isDeclared else { return nil }
        if word.before == "." {
            guard Self.methodsOfChance.contains(word.text), !Self.namesItsSource(code[word.end...]) else { return nil }
            return ".\(word.text)() without `using:`"
        }
        return Self.forbiddenCalls.contains(word.text) ? "\(word.text)()" : nil
    }

    /// Whether the argument list at the start of `code` has the label `using`.
    private static func namesItsSource(_ code: ArraySlice<Character>) -> Bool {
        var depth = 0
        var list = ""
        for character in code {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            list.append(character)
            if character == ")" && depth == 0 { break }
        }
        return list.contains("using:")
    }
}
