public import DXWire

/// Each datagram is lost with the same probability, whatever happened to the others.
public final class RandomLoss: Node {
    private let probability: Double
    private var random: RandomSource
    /// How many datagrams were lost.
    public private(set) var dropCount = 0

    /// Loses a datagram with `probability`, 0 to 1.
    public init(_ probability: Double, random: RandomSource) {
        self.probability = probability
        self.random = random
    }

    /// Loses the datagram or passes it on.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        if random.chance(probability) { dropCount += 1 } else { output.append(datagram) }
    }
}
