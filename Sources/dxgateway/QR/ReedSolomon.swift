/// Reed-Solomon codes over GF(256), as ISO/IEC 18004:2015 §7.5.2 and Annex A have them.
///
/// The field is that of the polynomial x⁸ + x⁴ + x³ + x² + 1 (0x11D); a byte's bits are the coefficients.
struct ReedSolomon: Sendable {
    /// The generator polynomial's coefficients from the highest power down, without the first, which is always 1.
    private let generator: [UInt8]

    /// Codes that add so many error correction codewords (7...30) to a block.
    init(count: Int) {
        // The product of (x - 2⁰), (x - 2¹) and so on; minus is plus in this field.
        var generator = [UInt8](repeating: 0, count: count - 1) + [1]
        var root: UInt8 = 1
        for _ in 0..<count {
            for index in generator.indices {
                let next = index + 1 < count ? generator[index + 1] : 0
                generator[index] = Self.product(generator[index], root) ^ next
            }
            root = Self.product(root, 2)
        }
        self.generator = generator
    }

    /// The error correction codewords of a block: what is left when its data is divided by the generator.
    func codewords(for data: some Sequence<UInt8>) -> [UInt8] {
        var rest = [UInt8](repeating: 0, count: generator.count)
        for byte in data {
            let factor = byte ^ rest.removeFirst()
            rest.append(0)
            for index in rest.indices { rest[index] ^= Self.product(generator[index], factor) }
        }
        return rest
    }

    /// The product of two elements of the field.
    static func product(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var product: UInt8 = 0
        // Horner's rule, from the highest bit of the right one down.
        for bit in stride(from: 7, through: 0, by: -1) {
            let overflows = product & 0x80 != 0
            product <<= 1
            if overflows { product ^= 0x1D }
            if right >> bit & 1 == 1 { product ^= left }
        }
        return product
    }
}
