/// Datagrams and requests that were dropped or refused, beside those that `SecureStatistics` counts. They only rise.
struct DropCounters: Sendable {
    /// Session datagrams whose record number was seen, or was older than 64 others.
    var replayed: UInt64 = 0
    /// Session datagrams with a live connection id that did not open.
    var rejected: UInt64 = 0
    /// Session datagrams before their session was bound to a channel, or after.
    var unbound: UInt64 = 0
    /// Session datagrams that opened and were neither BIND nor packet of their path.
    var malformed: UInt64 = 0
    /// Datagrams for an event loop that has too many waiting, or has ended.
    var handOverFull: UInt64 = 0
    /// Datagrams that name an event loop that does not exist, or does not have what they are for.
    var unknownSession: UInt64 = 0
    /// Streams to an internal port that does not exist.
    var unknownInternalPort: UInt64 = 0
    /// Activations of tunnels that do not exist or are not for the asker.
    var refusedActivations: UInt64 = 0
    /// Messages of UDP flows that make no sense.
    var flowMalformed: UInt64 = 0
    /// Messages of UDP flows to an internal port that is none of a UDP tunnel's, or of a flow that there is not (any more).
    var flowUnknown: UInt64 = 0
    /// Datagrams of UDP flows of which a part never came, over channels that have ended.
    var flowIncomplete: UInt64 = 0
    /// Packets that could not be sealed.
    var sealFailures: UInt64 = 0
}
