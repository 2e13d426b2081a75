/// The bytes that `body` writes into a span with room for exactly `capacity` bytes.
func encoded(capacity: Int, _ body: (inout OutputRawSpan) -> Void) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        // Not all of `buffer`: the array may have more room than was asked for.
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<capacity])
        var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
        body(&output)
        count = unsafe output.finalize(for: room)
    }
}

extension [UInt8] {
    /// The bytes as decoders take them.
    var rawBytes: RawSpan {
        @_lifetime(borrow self)
        get { unsafe span.bytes }
    }

    /// The bytes of `span`, copied.
    init(copying span: RawSpan) { self = unsafe span.withUnsafeBytes { unsafe Array($0) } }
}
