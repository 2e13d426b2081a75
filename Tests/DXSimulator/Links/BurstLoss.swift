public import DXWire

/// Loss in bursts: the Gilbert-Elliott model, a two-state chain that takes one turn per datagram. A radio link in a
/// fade, a queue that overflows.
public final class BurstLoss: Node {
    private let beginProbability: Double
    private let endProbability: Double
    private let lossInBurst: Double
    private var isInBurst = false
    private var random: RandomSource
    /// How many datagrams were lost.
    public private(set) var dropCount = 0

    /// - Parameters:
    ///   - begin: the probability, at each datagram, that a burst begins.
    ///   - end: the probability, at each datagram, that it ends; its mean length is 1/end datagrams.
    ///   - loss: the probability that a datagram within a burst is lost.
    public init(begin: Double, end: Double, loss: Double, random: RandomSource) {
        beginProbability = begin
        endProbability = end
        lossInBurst = loss
        self.random = random
    }

    /// Loses the datagram or passes it on.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        if random.chance(isInBurst ? endProbability : beginProbability) { isInBurst.toggle() }
        if isInBurst && random.chance(lossInBurst) { dropCount += 1 } else { output.append(datagram) }
    }
}
