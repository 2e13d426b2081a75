import CMatchLoad
import DXSecure
import DXWire
import Glibc

/// `matchload`: see `Arguments.usage`.
@main
struct MatchLoad {
    static func main() {
        guard let arguments = Arguments(Array(CommandLine.arguments.dropFirst())) else {
            print(Arguments.usage)
            exit(2)
        }
        do {
            var random = RandomSource(seed: UInt64(Load.now.nanoseconds))
            var groups: [Group] = []
            for _ in 0..<arguments.groupCount { groups.append(try Group(&random)) }
            write(groups, to: arguments.groupsFile)
            Report.line("groups", [("groups", groups.count)])
            guard let (server, pin) = readServer() else {
                print("an address, a port and a pin are wanted")
                exit(2)
            }
            try Load(arguments, groups: groups, server: server, pin: pin).run()
        } catch {
            print("\(error)")
            exit(1)
        }
    }

    /// The public match keys, a line for each.
    private static func write(_ groups: [Group], to path: String) {
        let text = groups.map { Base64URL.text($0.matchKey.publicKey.bytes) + "\n" }.joined()
        guard let file = unsafe fopen(path, "w") else {
            print("\(path) cannot be written")
            exit(1)
        }
        unsafe fputs(text, file)
        unsafe fclose(file)
    }

    /// `127.0.0.1 3478 PIN`.
    private static func readServer() -> (Endpoint, GatewayID)? {
        let words = (readLine() ?? "").split(separator: " ")
        guard words.count == 3, let port = UInt16(words[1]), let pin = GatewayID(text: String(words[2])) else {
            return nil
        }
        let bytes = words[0].split(separator: ".").compactMap { UInt8($0) }
        guard bytes.count == 4 else { return nil }
        return (Endpoint(v4: bytes.reduce(0) { $0 << 8 | UInt32($1) }, port: port), pin)
    }
}

extension Report {
    /// Lines must not wait in a pipe.
    static func flush() { fflush(nil) }
}
