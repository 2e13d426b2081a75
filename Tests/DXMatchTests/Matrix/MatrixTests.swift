import DXMatch
import DXSimulator
import DXWire
import Testing

/// Every kind of network with every other, both ways: what theory allows connects, what it forbids ends with its reason. The
/// table says which is which, and so what DX can do; it is not derived from the code that is tested.
@Suite struct MatrixTests {
    /// What becomes of two networks.
    enum Cell: Character {
        /// A direct way, by checks alone.
        case direct = "D"
        /// A direct way by guessing ports that follow one another.
        case sequential = "S"
        /// A direct way by guessing random ports: 97 of 100 runs, all within three.
        case birthday = "B"
        /// None: neither NAT's outside port can be foreseen. Remedy: map a port at either router, or IPv6.
        case bothHard = "x"
        /// None: IPv4 only with IPv6 only. Remedy: the other family at either.
        case noCommonFamily = "f"
        /// None: a network without UDP. Remedy: let it out.
        case noUDP = "u"
    }

    /// Rows are whoever asks for the introduction, columns whom it asks for, by the numbers of the rows. `symmetric`, `linuxrandom` and the IPv4 of `dual` are hard with
    /// random ports, `sequential` is hard with ports that follow one another; `portrestricted`, `double` and `linux` are easy
    /// with a filter that looks at ports; the others let in whom they know the address of, or everybody.
    static let table = """
                           1  2  3  4  5  6  7  8  9 10 11 12 13
         1 none             D  D  D  D  D  D  D  D  D  D  f  D  u
         2 cone             D  D  D  D  D  D  D  D  D  D  f  D  u
         3 restricted       D  D  D  D  D  D  D  D  D  D  f  D  u
         4 portrestricted   D  D  D  D  B  S  D  D  B  D  f  B  u
         5 symmetric        D  D  D  B  x  x  B  B  x  D  f  x  u
         6 sequential       D  D  D  S  x  x  S  S  x  D  f  x  u
         7 double           D  D  D  D  B  S  D  D  B  D  f  B  u
         8 linux            D  D  D  D  B  S  D  D  B  D  f  B  u
         9 linuxrandom      D  D  D  B  x  x  B  B  x  D  f  x  u
        10 mapped           D  D  D  D  D  D  D  D  D  D  f  D  u
        11 v6               f  f  f  f  f  f  f  f  f  f  D  D  f
        12 dual             D  D  D  B  x  x  B  B  x  D  D  D  u
        13 blocked          u  u  u  u  u  u  u  u  u  u  f  u  u
        """

    static func cell(_ first: NetworkKind, _ second: NetworkKind) throws -> Cell {
        let row = try #require(table.split(separator: "\n").first { $0.contains(" \(first) ") })
        let column = try #require(NetworkKind.allCases.firstIndex(of: second))
        let cells = row.split(separator: " ").dropFirst(2).compactMap(\.first)
        try #require(cells.count == NetworkKind.allCases.count)
        return try #require(Cell(rawValue: cells[column]))
    }

    @Test(arguments: NetworkKind.allCases, [0, 0.05])
    func everyCellIsAsTheTableSays(first: NetworkKind, loss: Double) throws {
        for second in NetworkKind.allCases {
            let cell = try Self.cell(first, second)
            for seed in Replay.seeds(count: 20) {
                let network = SimulatedNetwork(first, second, seed: seed, options: .init(loss: loss))
                try network.gather()
                let place = "\(first) with \(second), loss \(loss), seed \(seed)"
                do {
                    try Self.expect(cell, network, isLossy: loss > 0)
                } catch {
                    Issue.record("\(place): \(error); \(network.text(network.a)); \(network.text(network.b))")
                    return
                }
            }
        }
    }

    private static func expect(_ cell: Cell, _ network: SimulatedNetwork, isLossy: Bool) throws {
        try network.connect()
        let punch = try #require(network.a.punch)
        switch cell {
        case .direct:
            // Three lost answers make a filter look narrower than it is, once in a thousand probes: then a port is guessed
            // that need not be, beside the checks that find the way.
            switch punch.verdict {
            case .direct: break
            case .byPrediction where isLossy: break
            case .byPrediction, .impossible, .unknown: throw SimulationFailure("the verdict is \(punch.verdict)")
            }
            let time = try #require(network.timeToValid, "no way was found")
            try SimulationFailure.unless(network.isConnected, "nobody chose")
            try SimulationFailure.unless(time <= .seconds(1) + network.roundTrip * 4, "it took \(time)")
        case .sequential, .birthday:
            guard case .byPrediction(let prediction) = punch.verdict else {
                throw SimulationFailure("the verdict is \(punch.verdict)")
            }
            try SimulationFailure.unless(
                (prediction.method == .birthday) == (cell == .birthday), "\(prediction.method)")
            for _ in 1..<3 where !network.isConnected {
                try network.gather()
                try network.connect()
            }
            try SimulationFailure.unless(network.isConnected, "not guessed in three runs")
        case .bothHard, .noCommonFamily, .noUDP:
            try SimulationFailure.unless(!network.isConnected, "it connected, whatever theory says")
            for gateway in [network.a, network.b] {
                guard case .impossible(let reason, _) = gateway.failure else {
                    throw SimulationFailure("the reason is \(gateway.failure.map { "\($0)" } ?? "none")")
                }
                try SimulationFailure.unless(Self.cell(of: reason) == cell, "the reason is \(reason)")
                // Fast: what is impossible is said after four seconds.
                let list = try #require(gateway.punch?.list)
                try SimulationFailure.unless(list.endsAt - list.startedAt <= .seconds(4), "slow")
            }
        }
    }

    private static func cell(of reason: NATVerdict.Reason) -> Cell? {
        switch reason {
        case .bothHard: .bothHard
        case .noCommonFamily: .noCommonFamily
        case .noUDP: .noUDP
        case .noHairpin: nil
        }
    }
}
