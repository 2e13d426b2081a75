import ArgumentParser
import DXControl
import Glibc
import NIOCore
import NIOPosix

struct NcCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nc",
        abstract: "Connect standard input and output through a tunnel that begins at this gateway.",
        discussion: """
            No port is opened. A tunnel whose destinations are label:key=value leads to any of 500 devices by --to.

              dxgateway nc web
              ssh -o ProxyCommand='dxgateway nc ssh --to %h' user@edge-1
            """)

    @Argument(help: "The tunnel's name.", completion: .tunnels)
    var tunnel: String

    @Option(
        help: ArgumentHelp("Which of the tunnel's destinations; the best one by itself.", valueName: "member"),
        completion: .members)
    var to: String?

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let client = try options.client()
        do {
            try await client.connect(
                tunnel: ControlOptions.escaped(tunnel), to: to.map(ControlOptions.escaped), input: Self.input,
                output: Self.output)
        } catch let error as ControlClientError { throw CommandFailure(error) } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(
                .failed, "the connection was reset; dxgateway tunnel show \(tunnel) shows its last error")
        }
        // Standard input may still be waited for, on a thread that cannot be stopped.
        Glibc.exit(ExitStatus.done.rawValue)
    }

    /// What standard input brings next, whatever it is: a pipe, a file, a terminal.
    @Sendable private static func input() async throws -> ByteBuffer? {
        try await NIOThreadPool.singleton.runIfActive {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = unsafe read(STDIN_FILENO, &bytes, bytes.count)
                if count < 0, errno == EINTR { continue }
                return count > 0 ? ByteBuffer(bytes: bytes[..<count]) : nil
            }
        }
    }

    private static func output(_ buffer: ByteBuffer) async throws {
        try await NIOThreadPool.singleton.runIfActive {
            var rest = buffer.readableBytesView
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw CommandFailure(.failed, "nobody reads standard output any more") }
                rest = rest.dropFirst(count)
            }
        }
    }
}
