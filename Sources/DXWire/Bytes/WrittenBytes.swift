extension [UInt8] {
    /// What `body` writes into `capacity` bytes of room. For messages outside the hot path, a few dozen bytes each.
    public init(capacity: Int, writing body: (inout OutputRawSpan) -> Void) {
        self = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { memory, count in
            let memory = UnsafeMutableRawBufferPointer(memory)
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            body(&output)
            count = unsafe output.finalize(for: memory)
        }
    }
}
