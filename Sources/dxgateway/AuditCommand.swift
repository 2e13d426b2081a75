import ArgumentParser
import DXControl
import DXTunnel

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Show the connections that went through this gateway, and those that were refused.",
        discussion: """
            A record for each connection or flow that ended: when, tunnel, peer, client or target, how long, bytes each way, how it
            ended. Never what it carried.

              dxgateway audit
              dxgateway audit web --since 2027-01-31T12:00:00Z --limit 1000
              dxgateway audit dns --json
            """)

    @Argument(help: "The tunnel's name; all when absent.", completion: .tunnels)
    var tunnel: String?

    @Option(help: ArgumentHelp("That ended then or later, as 2027-01-31T12:00:00Z.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("How many, the newest.", valueName: "number"))
    var limit = 100

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard since == nil || since.flatMap(Timestamp.init) != nil else {
            throw ValidationError("--since is a time as in 2027-01-31T12:00:00Z")
        }
        guard (1...AuditReply.maximumCount).contains(limit) else {
            throw ValidationError("--limit must be 1 to \(AuditReply.maximumCount)")
        }
    }

    func run() async throws {
        let client = try options.client()
        do throws(ControlClientError) {
            let (reply, text) = try await client.audit(
                tunnel: tunnel.map(ControlOptions.escaped), since: since.flatMap(Timestamp.init), limit: limit)
            if json { return Output.line(text) }
            for record in reply.records { Output.line(Self.line(record)) }
        } catch { throw CommandFailure(error) }
    }

    private static func line(_ record: AuditRecord) -> String {
        if record.end == .leftOut { return "\(record.time)  \(record.count ?? 0) records left out: too many at a time" }
        let from: String =
            switch (record.role, record.client, record.peer) {
            // At a destination the client is where that gateway is.
            case (.destination, let client?, let peer?): "\(peer) (\(client))"
            case (_, let client?, _): client
            case (_, nil, let peer): peer ?? "-"
            }
        let to = record.target ?? record.peer ?? "-"
        let name = record.tunnel.isEmpty ? "-" : record.tunnel
        let kind = record.networkProtocol == .udp ? " udp" : ""
        return "\(record.time)  \(name) (\(record.role.rawValue)\(kind))  \(from) -> \(to)"
            + "  \(record.durationMilliseconds) ms, \(record.bytesToTarget) bytes out, \(record.bytesToClient) in,"
            + " \(record.end.rawValue)" + (record.reason.map { ": \($0)" } ?? "")
    }
}
