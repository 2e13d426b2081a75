import DXWire

/// Who can be idle: one end of one connection.
protocol IdleConnection: AnyObject {
    /// When a byte last came or went.
    var lastActivity: Instant { get }
    /// It has been idle for too long: it ends with a reset.
    func onIdle()
}

/// Connections, and after how long without a byte each of them ends. Pure; costs nothing while bytes flow.
///
/// Nobody says that a byte came: whoever looks asks every connection when its last one did. A look at all costs as much as
/// there are, so it is taken at most `looksPerTimeout` times in a timeout, and a connection may last that part longer.
struct IdleList {
    /// After so long a connection ends; nil is never.
    var timeout: Interval?
    private var connections: [ObjectIdentifier: any IdleConnection] = [:]

    /// A sixteenth of ten minutes is half a minute late at most, which nobody minds.
    private static let looksPerTimeout: Int64 = 16

    /// None, for ever.
    init() {}

    /// How many there are.
    var count: Int { connections.count }

    /// When each one's last byte came or went.
    var lastActivities: [Instant] { connections.values.map(\.lastActivity) }

    /// One more.
    mutating func add(_ connection: any IdleConnection) { connections[ObjectIdentifier(connection)] = connection }

    /// One ended.
    mutating func remove(_ connection: any IdleConnection) { connections[ObjectIdentifier(connection)] = nil }

    /// Lets all go.
    mutating func removeAll() { connections.removeAll() }

    /// Those that have been idle for too long, and when to look again; nil when there is nothing to look at.
    func look(now: Instant) -> (idle: [any IdleConnection], next: Instant?) {
        guard let timeout, !connections.isEmpty else { return ([], nil) }
        var idle: [any IdleConnection] = []
        var next: Instant?
        for connection in connections.values {
            let end = connection.lastActivity + timeout
            if end <= now { idle.append(connection) } else { next = min(next ?? end, end) }
        }
        return (idle, next.map { max($0, now + timeout / Self.looksPerTimeout) })
    }
}
