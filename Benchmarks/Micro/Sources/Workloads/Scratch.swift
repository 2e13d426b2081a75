/// Memory of a workload, outside of it: writing there is no access to the workload.
final class Scratch {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: 64) }

    deinit { bytes.deallocate() }

    /// Calls `body` with a span to write to; the bytes written.
    func write(at start: Int = 0, upTo count: Int, _ body: (inout OutputRawSpan) -> Void) -> Int {
        let part = UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + count)])
        var output = OutputRawSpan(buffer: part, initializedCount: 0)
        body(&output)
        return output.finalize(for: part)
    }

    /// Calls `body` with what was written there.
    func read<Result>(at start: Int = 0, _ count: Int, _ body: (RawSpan) -> Result) -> Result {
        body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)])))
    }
}
