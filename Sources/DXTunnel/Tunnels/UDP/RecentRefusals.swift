import DXWire

/// Who was refused within the second. A client of UDP whose flow is refused sends on: each of its datagrams is a drop, but no refusal of
/// its own. Without a clock; time is an argument.
///
/// Limits: `most` clients a second; further ones are not counted in it.
struct RecentRefusals<Client: Hashable> {
    /// 16 bits of ports, and who makes up addresses has more: so many cost less than a hundred kilobytes, for a second.
    static var most: Int { 1_024 }

    private var clients: Set<Client> = []
    private var since: Instant?

    /// Nobody was refused yet.
    init() {}

    /// Whether a client that is refused at `now` was not within the second already.
    mutating func isNew(_ client: Client, now: Instant) -> Bool {
        if since.map({ $0 + .seconds(1) <= now }) ?? true {
            clients.removeAll(keepingCapacity: false)
            since = now
        }
        guard clients.count < Self.most else { return false }
        return clients.insert(client).inserted
    }
}
