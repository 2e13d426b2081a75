public import DXWire
internal import NIOCore

/// Some datagrams arrive with damage that UDP's checksum did not see: bits flipped, or the tail cut off.
public final class Corrupt: Node {
    private let probability: Double
    private var random: RandomSource
    /// How many datagrams were damaged.
    public private(set) var corruptedCount = 0

    /// Damages a datagram with `probability`, 0 to 1.
    public init(_ probability: Double, random: RandomSource) {
        self.probability = probability
        self.random = random
    }

    /// Passes the datagram on, perhaps damaged.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        guard random.chance(probability), datagram.bytes.readableBytes > 0 else {
            output.append(datagram)
            return
        }
        corruptedCount += 1
        var damaged = datagram
        let count = UInt64(damaged.bytes.readableBytes)
        if random.chance(0.2) {
            damaged.bytes.moveWriterIndex(to: damaged.bytes.readerIndex + Int(random.below(count)))
        } else {
            for _ in 0...random.below(3) {
                let index = damaged.bytes.readerIndex + Int(random.below(count))
                let byte = damaged.bytes.getInteger(at: index, as: UInt8.self)!
                // Not zero, so that one flip always changes something; several may meet and undo each other.
                damaged.bytes.setInteger(byte ^ UInt8(1 + random.below(255)), at: index)
            }
        }
        output.append(damaged)
    }
}
