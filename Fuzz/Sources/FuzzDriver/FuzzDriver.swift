internal import CLibFuzzer
internal import Glibc

/// The command line that every fuzzer here has:
///
/// - `list`: prints the names of the targets
/// - `seeds TARGET FOLDER`: writes the target's seeds into a folder that exists, a file each
/// - `TARGET [libFuzzer's arguments]`: fuzzes, or with files as arguments runs those once
public enum FuzzDriver {
    /// What libFuzzer's callback, which takes no context, runs; set once before the first case.
    nonisolated(unsafe) private static var check: (@Sendable ([UInt8]) throws -> Void)?

    /// Does what the command line says and ends the process: 0 when all is well, 2 for a wrong command line, libFuzzer's
    /// code or a signal for a case that broke a promise.
    public static func run(_ targets: [FuzzTarget]) -> Never {
        var arguments = CommandLine.arguments
        guard arguments.count >= 2 else { fail("usage: list | seeds TARGET FOLDER | TARGET [libFuzzer's arguments]") }
        let command = arguments.remove(at: 1)
        if command == "list" {
            for target in targets { print(target.name) }
            exit(0)
        }
        let isSeeds = command == "seeds" && arguments.count == 3
        let name = isSeeds ? arguments[1] : command
        guard let target = targets.first(where: { $0.name == name }) else { fail("no target is named \(name)") }
        if isSeeds {
            for (index, seed) in target.seeds.enumerated() { write(seed, to: "\(arguments[2])/seed-\(index)") }
            exit(0)
        }
        check = target.check
        fuzz(arguments)
    }

    private static func fuzz(_ arguments: [String]) -> Never {
        var count = CInt(arguments.count)
        // libFuzzer keeps the pointers for as long as the process lives: never freed.
        let copies = arguments.map { strdup($0) } + [nil]
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: copies.count)
        list.initialize(from: copies, count: copies.count)
        var values: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = list
        exit(
            LLVMFuzzerRunDriver(&count, &values) { data, size in
                FuzzDriver.runOne(UnsafeBufferPointer(start: data, count: size))
                return 0
            })
    }

    private static func runOne(_ bytes: UnsafeBufferPointer<UInt8>) {
        do { try check?(Array(bytes)) } catch { fatalError("\(error)") }
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        guard let file = fopen(path, "w") else { fail("cannot write \(path)") }
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { fail("cannot write \(path)") }
    }

    private static func fail(_ message: String) -> Never {
        let line = message + "\n"
        _ = Glibc.write(STDERR_FILENO, line, line.utf8.count)
        exit(2)
    }
}
