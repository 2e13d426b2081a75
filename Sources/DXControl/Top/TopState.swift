/// What the keys of `dxgateway top` have chosen.
public struct TopState: Sendable, Hashable {
    /// What is shown.
    public enum View: Sendable, Hashable, CaseIterable {
        /// Peers above, tunnels below.
        case both
        /// Peers alone.
        case peers
        /// Tunnels alone.
        case tunnels
    }

    /// What comes first.
    public enum Order: Sendable, Hashable, CaseIterable {
        /// What carries most.
        case throughput
        /// The longest round trip; of tunnels, what carries most.
        case delay
        /// What loses most; of tunnels, what refused most.
        case loss
        /// Most connections.
        case connections
        /// By name.
        case name

        /// The key that chooses it, and its name in the last line.
        var key: (character: Character, word: String) {
            switch self {
            case .throughput: ("t", "rate")
            case .delay: ("r", "rtt")
            case .loss: ("l", "loss")
            case .connections: ("c", "connections")
            case .name: ("n", "name")
            }
        }
    }

    /// What is shown.
    public private(set) var view = View.both
    /// What comes first.
    public private(set) var order = Order.throughput
    /// Whether the order is turned round.
    public private(set) var isReversed = false
    /// Rows left out at the top of what is shown.
    public private(set) var scroll = 0

    /// Nothing chosen yet.
    public init() {}

    /// What a key asks for beyond another picture.
    public enum Request: Sendable, Hashable {
        /// To draw again.
        case draw
        /// To end.
        case quit
        /// To leave the terminal to the shell for a while.
        case suspend
    }

    /// Takes a key. `rowCount` is how many rows the picture has room for, `mostRows` how many there are to show.
    public mutating func press(_ key: TerminalKey, rowCount: Int, mostRows: Int) -> Request {
        switch key {
        case .character("q"), .character("Q"), .control("c"), .control("d"): return .quit
        case .control("z"): return .suspend
        case .tab:
            let all = View.allCases
            view = all[((all.firstIndex(of: view) ?? 0) + 1) % all.count]
            scroll = 0
        case .up, .character("k"): scroll -= 1
        case .down, .character("j"): scroll += 1
        case .pageUp: scroll -= rowCount
        case .pageDown, .character(" "): scroll += rowCount
        case .home, .character("g"): scroll = 0
        case .end, .character("G"): scroll = mostRows
        case .character(let character):
            guard let chosen = Order.allCases.first(where: { $0.key.character == character }) else { break }
            isReversed = chosen == order && !isReversed
            order = chosen
            scroll = 0
        // Over a slow line a sequence may come in two parts, the first of which looks like this key.
        case .escape, .control, .other: break
        }
        scroll = max(0, min(scroll, mostRows - rowCount))
        return .draw
    }
}
