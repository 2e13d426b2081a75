import DXWire

extension [UInt8] {
    /// What `body` writes into `capacity` bytes of room, which is all of it or less.
    init(capacity: Int, writing body: (inout OutputRawSpan) -> Void) {
        self = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { memory, count in
            let room = UnsafeMutableRawBufferPointer(memory)
            var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
            body(&output)
            count = unsafe output.finalize(for: room)
        }
    }

    /// A copy of the bytes of `message` that `slice` names, which must lie within it (a programming error: traps).
    init(_ slice: PacketSlice, of message: RawSpan) {
        let bytes = message.extracting(slice.offset..<(slice.offset + slice.count))
        self = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
    }
}
