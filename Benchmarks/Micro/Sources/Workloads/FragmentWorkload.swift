import DXWire

/// Cuts a record of 16 KB into datagrams and puts them together again: the way of fragments that the kernel did not
/// coalesce. A packet is a whole record.
struct FragmentWorkload: Workload {
    private var record = [UInt8](repeating: 9, count: FragmentHeader.recordHeadByteCount + 16_000)
    private let memory = Scratch(byteCount: 1_472)
    private var assembler = FragmentAssembler()

    mutating func run(packets: Int) {
        var whole = 0
        for number in 0..<packets {
            // Record numbers have 40 bits, the highest of the six bytes stays 0.
            for (place, shift) in [9, 10, 11, 12, 13].enumerated() {
                record[shift] = place == 0 ? 0 : UInt8(truncatingIfNeeded: number >> (8 * (4 - place)))
            }
            record[8] = 0
            let copy = record
            var cutter = FragmentCutter(copy.span.bytes, datagramByteCount: 1_472)
            while !cutter.isDone {
                let count = memory.write(upTo: 1_472) { output in cutter.writeNext(to: &output) }
                let outcome = receive(count)
                if case .complete = outcome { whole += 1 }
            }
        }
        precondition(whole == packets, "every record becomes whole again")
    }

    private mutating func receive(_ count: Int) -> FragmentAssembler.Outcome {
        assembler.receive(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory.bytes[..<count])), ecn: .notECT)
    }
}
