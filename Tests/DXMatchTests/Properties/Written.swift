/// What encoders write.
enum Written {
    /// The bytes that `body` writes into a span with room for exactly `capacity` bytes.
    static func bytes(capacity: Int = 1_172, _ body: (inout OutputRawSpan) -> Void) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            // Not all of `buffer`: the array may have more room than was asked for.
            let room = unsafe UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(buffer)[..<capacity])
            var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
            body(&output)
            count = unsafe output.finalize(for: room)
        }
    }
}

extension [UInt8] {
    /// The bytes as decoders take them.
    var raw: RawSpan {
        @_lifetime(borrow self)
        get { unsafe span.bytes }
    }
}
