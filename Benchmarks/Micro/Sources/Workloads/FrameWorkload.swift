import DXWire

/// Encodes and decodes a packet such as most are: an ACK of three ranges, a window, stream data.
struct FrameWorkload: Workload {
    private let memory = Scratch(byteCount: 1_500)
    private let data = [UInt8](repeating: 7, count: 1_200)
    private var decoded = 0

    mutating func run(packets: Int) {
        for number in 0..<UInt64(packets) {
            let count = write(number)
            decoded &+= memory.read(count) { bytes in
                var reader = FrameReader(bytes, from: 0)
                var streams = 0
                while let frame = try? reader.next() { if case .stream = frame { streams &+= 1 } }
                return streams
            }
        }
        precondition(decoded >= packets, "frames come out as they went in")
    }

    private func write(_ number: UInt64) -> Int {
        memory.write(upTo: 1_500) { output in
            output.writeAckHead(
                pathID: PathID(rawValue: 2), largest: 1_000 &+ number, delay: .microseconds(300), rangeCount: 3,
                firstRangeLength: 40, hasECN: false)
            output.writeAckRange(gap: 1, length: 30)
            output.writeAckRange(gap: 0, length: 200)
            output.writeMaxData(number &* 1_200 &+ 1_000_000)
            output.writeStreamHead(
                id: StreamID(index: 3, role: .lower), offset: number &* 1_200, count: 1_200, isFin: false,
                hasLength: false)
            output.write(data.span.bytes)
        }
    }
}
