import DXWire

/// The addresses of a matchmaker, and which of them is used: the one that answered last, as long as it does.
struct MatchAddresses: Sendable {
    /// In the owner's order.
    private(set) var all: [Endpoint] = []
    /// The one that answered.
    private(set) var preferred: Endpoint?
    /// Said to be going away.
    private var leaving: Set<Endpoint> = []
    /// Where a round without a preferred one begins.
    private var turn = 0

    /// Replaces the addresses; whether anything has changed.
    mutating func replace(with addresses: [Endpoint]) -> Bool {
        var fresh: [Endpoint] = []
        for address in addresses where address.isSendable && !fresh.contains(address) {
            if fresh.count < MatchClientLimits.addresses { fresh.append(address) }
        }
        guard fresh != all else { return false }
        all = fresh
        leaving.formIntersection(fresh)
        if let preferred, !fresh.contains(preferred) { self.preferred = nil }
        turn = 0
        return true
    }

    /// Where the `attempt`th datagram of a request goes: twice to the preferred one, then to all in turn. There must be one.
    func address(attempt: Int) -> Endpoint {
        precondition(!all.isEmpty, "there is an address")
        let usable = all.filter { !leaving.contains($0) }
        let choice = usable.isEmpty ? all : usable
        guard let preferred, choice.contains(preferred) else { return choice[(turn + attempt) % choice.count] }
        if attempt < 2 { return preferred }
        let index = choice.firstIndex(of: preferred) ?? 0
        return choice[(index + attempt - 1) % choice.count]
    }

    /// The first address of each family.
    var oneOfEachFamily: [Endpoint] {
        [Endpoint.Family.v4, .v6].compactMap { family in all.first { $0.family == family } }
    }

    /// It answered.
    mutating func onAnswer(from address: Endpoint) { if all.contains(address) { preferred = address } }

    /// None answered: the next round begins with another.
    mutating func onSilence() {
        preferred = nil
        // One that was going away may have come back.
        leaving = []
        turn = all.isEmpty ? 0 : (turn + 1) % all.count
    }

    /// It says that it is going away; whether there is another one.
    mutating func onLeaving(_ address: Endpoint) -> Bool {
        leaving.insert(address)
        if leaving.isSuperset(of: all) {
            // Whoever is left is better than nobody.
            leaving = []
            return false
        }
        if preferred == address { preferred = nil }
        return true
    }
}
