import DXWire

extension [UInt8] {
    /// What `body` writes into `capacity` bytes of room.
    init<Failure: Error>(
        capacity: Int, writing body: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        self = []
        // The closure below cannot throw what it is given: the failure is taken out by hand.
        var failure: Failure?
        self = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { memory, count in
            let memory = UnsafeMutableRawBufferPointer(memory)
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            do throws(Failure) { try body(&output) } catch { failure = error }
            count = unsafe output.finalize(for: memory)
        }
        if let failure { throw failure }
    }

    /// These bytes as decoders take them.
    var raw: RawSpan {
        @_lifetime(borrow self)
        get { unsafe span.bytes }
    }
}
