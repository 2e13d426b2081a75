import DXWire

/// What every decoder of DXWire promises about any bytes at all. The unit tests and the fuzzer call the same checks.
///
/// A decoder gives a value or a `DecodeError`. What it gives, written again, is read as the same value; written once
/// more it is the same bytes. A broken promise is a `PropertyFailure`; a trap is for the test run or the fuzzer to see.
enum WireProperty: String, CaseIterable, Sendable {
    /// The frames of a packet, without its head.
    case frames
    /// The head of a packet and the frames after it.
    case packet
    /// A whole BIND.
    case bind
    /// The parameters at the end of a BIND.
    case parameters
    /// A gateway id as text.
    case gatewayText = "gateway-text"

    /// Fragments of records, one after the other: each the 16 bytes of its head and a byte that gives its size.
    case fragments
    /// Messages of UDP flows, one after the other: each a byte that gives the length of its head, and the head.
    case flows

    /// What a decoder said to some bytes.
    enum Outcome: Equatable {
        /// They are a value.
        case accepted
        /// They are not.
        case rejected
    }

    /// Feeds `bytes` to the decoder and checks what comes out.
    func check(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        switch self {
        case .frames: try Self.checkFrames(bytes, from: 0)
        case .packet: try Self.checkPacket(bytes)
        case .bind: try Self.checkBind(bytes)
        case .parameters: try Self.checkParameters(bytes)
        case .gatewayText: try Self.checkGatewayText(bytes)
        case .fragments: try Self.checkFragments(bytes)
        case .flows: try Self.checkFlows(bytes)
        }
    }

    /// Valid inputs to start from: what the fuzzer mutates, what the unit tests cut short and change.
    var seeds: [[UInt8]] {
        switch self {
        case .frames: (FrameVector.canonical + FrameVector.alternative).map(\.bytes) + FrameVector.sequences
        case .packet: zip(PacketHeaderVector.all, FrameVector.sequences).map { $0.bytes + $1 }
        case .bind: BindVector.all.map(\.bytes)
        case .parameters: (ParametersVector.canonical + ParametersVector.alternative).map(\.bytes)
        case .fragments: FragmentVector.recipes
        case .flows: FlowVector.recipes
        case .gatewayText: [Array("aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq".utf8)]
        }
    }

    // MARK: Each decoder

    private static func checkFrames(_ bytes: [UInt8], from offset: Int) throws(PropertyFailure) -> Outcome {
        let frames: [Frame]
        do { frames = try decodeFrames(bytes, from: offset) } catch { return .rejected }
        let values = try copyFrames(frames, in: bytes)
        // No frame grows by more than the four bytes of a length that was left out.
        let rewritten = encoded(capacity: bytes.count + 4) { output in values.forEach { $0.write(to: &output) } }
        let again: [Frame]
        do { again = try decodeFrames(rewritten, from: 0) } catch {
            throw PropertyFailure("rewritten frames are refused: \(error), \(hexText(rewritten))")
        }
        let valuesAgain = try copyFrames(again, in: rewritten)
        guard valuesAgain == values else { throw PropertyFailure("frames changed: \(values), \(valuesAgain)") }
        let twice = encoded(capacity: rewritten.count) { output in valuesAgain.forEach { $0.write(to: &output) } }
        guard twice == rewritten else { throw PropertyFailure("bytes changed: \(hexText(rewritten))") }
        return .accepted
    }

    private static func decodeFrames(_ bytes: [UInt8], from offset: Int) throws(DecodeError) -> [Frame] {
        var reader = FrameReader(bytes.rawBytes, from: offset)
        var frames: [Frame] = []
        while let frame = try reader.next() { frames.append(frame) }
        return frames
    }

    private static func copyFrames(_ frames: [Frame], in bytes: [UInt8]) throws(PropertyFailure) -> [FrameValue] {
        var values: [FrameValue] = []
        for frame in frames {
            do { values.append(try FrameValue(frame, in: bytes.rawBytes)) } catch {
                throw PropertyFailure("the ranges of an accepted ACK are refused: \(error)")
            }
        }
        return values
    }

    private static func checkPacket(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        var reader = ByteReader(bytes.rawBytes)
        let header: PacketHeader
        do { header = try PacketHeader(reading: &reader) } catch { return .rejected }
        let rewritten = encoded(capacity: PacketHeader.maximumByteCount) { $0.write(header) }
        var again = ByteReader(rewritten.rawBytes)
        guard rewritten.count == header.byteCount, let copy = try? PacketHeader(reading: &again), copy == header else {
            throw PropertyFailure("header changed: \(header), \(hexText(rewritten))")
        }
        let window = UInt64(1) << UInt64(8 * header.numberByteCount)
        for largest in [nil, 0, 127, 1 << 32, VarInt.maximum - 1, VarInt.maximum] {
            let number = header.number(largestReceived: largest)
            guard number <= VarInt.maximum, number % window == header.truncatedNumber else {
                throw PropertyFailure("number \(number) after \(String(describing: largest)): \(header)")
            }
        }
        return try checkFrames(bytes, from: reader.position)
    }

    private static func checkBind(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        var reader = ByteReader(bytes.rawBytes)
        let bind: Bind
        do { bind = try Bind(reading: &reader) } catch { return .rejected }
        guard reader.remaining == 0 else { throw PropertyFailure("BIND left \(reader.remaining) bytes") }
        let rewritten = encoded(capacity: Bind.maximumByteCount) { bind.write(to: &$0) }
        var again = ByteReader(rewritten.rawBytes)
        guard let copy = try? Bind(reading: &again), copy == bind else {
            throw PropertyFailure("BIND changed: \(bind), \(hexText(rewritten))")
        }
        return .accepted
    }

    private static func checkParameters(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        var reader = ByteReader(bytes.rawBytes)
        let parameters: TransportParameters
        do { parameters = try TransportParameters(reading: &reader) } catch { return .rejected }
        guard reader.remaining == 0 else { throw PropertyFailure("parameters left \(reader.remaining) bytes") }
        let rewritten = encoded(capacity: TransportParameters.maximumByteCount) { parameters.write(to: &$0) }
        var again = ByteReader(rewritten.rawBytes)
        guard let copy = try? TransportParameters(reading: &again), copy == parameters else {
            throw PropertyFailure("parameters changed: \(parameters), \(hexText(rewritten))")
        }
        return .accepted
    }

    private static func checkFragments(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        var assembler = FragmentAssembler()
        var isAccepted = false
        var rest = bytes[...]
        var joined: [UInt8] = []
        var firstSize = 0
        while rest.count > FragmentHeader.byteCount {
            let head = rest.prefix(FragmentHeader.byteCount)
            // Up to 2,040 bytes in steps of eight.
            let size = 8 * Int(rest[rest.startIndex + FragmentHeader.byteCount])
            rest = rest.dropFirst(FragmentHeader.byteCount + 1)
            let datagram = Array(head) + [UInt8](repeating: head.last ?? 0, count: size)
            if joined.isEmpty { firstSize = datagram.count }
            joined += datagram
            guard FragmentHeader.isFragment(datagram.rawBytes) else { continue }
            switch assembler.receive(datagram.rawBytes, ecn: .notECT) {
            case .rejected: break
            case .incomplete: isAccepted = true
            case .complete(let place):
                isAccepted = true
                var reader = ByteReader(datagram.rawBytes)
                guard let header = try? FragmentHeader(reading: &reader) else {
                    throw PropertyFailure("a head was taken that is none")
                }
                let record = assembler.withRecord(at: place) { [UInt8](copying: $0.bytes) }
                guard record.count == FragmentHeader.recordHeadByteCount + header.bodyByteCount,
                    Array(record[..<8]) == Array(head.prefix(8)), record[8] == 0,
                    Array(record[9..<14]) == Array(head.dropFirst(9).prefix(5)),
                    assembler.facts(at: place).wireByteCount > header.bodyByteCount
                else { throw PropertyFailure("record \(hexText(Array(record.prefix(14)))) of \(header)") }
            }
        }
        try checkRun(joined, of: firstSize)
        return isAccepted ? .accepted : .rejected
    }

    /// What is taken for a whole record in order is one for the assembler too, and the same.
    private static func checkRun(_ bytes: [UInt8], of size: Int) throws(PropertyFailure) {
        guard let run = FragmentRun(reading: bytes.rawBytes, datagramByteCount: size) else { return }
        var assembler = FragmentAssembler()
        var body: [UInt8] = []
        for index in 0..<run.count {
            let end = min((index + 1) * size, run.byteCount)
            let datagram = Array(bytes[(index * size)..<end])
            body += datagram.dropFirst(FragmentHeader.byteCount)
            let outcome = assembler.receive(datagram.rawBytes, ecn: .notECT)
            guard case .complete(let place) = outcome else {
                if outcome == .incomplete && index < run.count - 1 { continue }
                throw PropertyFailure("fragment \(index) of \(run): \(outcome)")
            }
            let record = assembler.withRecord(at: place) { [UInt8](copying: $0.bytes) }
            guard index == run.count - 1, Array(record.dropFirst(FragmentHeader.recordHeadByteCount)) == body else {
                throw PropertyFailure("another record than \(run)")
            }
        }
    }

    private static func checkFlows(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        var assembler = FlowAssembler()
        var isAccepted = false
        var rest = bytes[...]
        var now = Instant.zero
        while let length = rest.popFirst() {
            let head = Array(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
            let message = flowMessage(head)
            var reader = ByteReader(message.rawBytes)
            guard let header = try? FlowHeader(reading: &reader) else { continue }
            isAccepted = true
            let written = encoded(capacity: FlowHeader.maximumByteCount) { header.write(to: &$0) }
            let rewritten = written + message[reader.position...]
            var again = ByteReader(rewritten.rawBytes)
            guard written.count == header.byteCount, (try? FlowHeader(reading: &again)) == header else {
                throw PropertyFailure("head changed: \(header), \(hexText(written))")
            }
            now += .milliseconds(100)
            let data = Array(message[reader.position...])
            switch assembler.receive(header, of: 3, data.rawBytes, now: now) {
            case .incomplete: break
            case .rejected:
                // A whole datagram is no part; a part may contradict the one before it.
                continue
            case .complete(let datagram):
                guard let part = header.part, datagram.count == part.datagramByteCount,
                    datagram.indices.allSatisfy({ datagram[$0] == UInt8(truncatingIfNeeded: $0) })
                else { throw PropertyFailure("another datagram than \(header)") }
            }
            guard assembler.count <= FlowAssembler.maximumDatagrams,
                assembler.heldByteCount <= FlowAssembler.maximumByteCount
            else { throw PropertyFailure("\(assembler.heldByteCount) bytes are held") }
        }
        return isAccepted ? .accepted : .rejected
    }

    /// A head and as much data as a part says that it has: each byte says where it belongs.
    private static func flowMessage(_ head: [UInt8]) -> [UInt8] {
        var reader = ByteReader(head.rawBytes)
        guard (try? reader.readUInt32()) != nil, (try? reader.readVarInt()) != nil, (try? reader.readUInt8()) == 1,
            (try? reader.readUInt32()) != nil, let size = try? Int(reader.readUInt16()),
            let slice = try? Int(reader.readUInt16()), let index = try? Int(reader.readUInt8())
        else { return head }
        let start = index * slice
        let count = max(0, min(slice, size - start))
        return head + (0..<count).map { UInt8(truncatingIfNeeded: start + $0) }
    }

    private static func checkGatewayText(_ bytes: [UInt8]) throws(PropertyFailure) -> Outcome {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let id = GatewayID(text: text) else { return .rejected }
        guard id.text == text.lowercased(), GatewayID(id.bytes) == id else {
            throw PropertyFailure("gateway id changed: \(text), \(id.text)")
        }
        return .accepted
    }
}

/// A promise of `WireProperty` that did not hold.
struct PropertyFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
