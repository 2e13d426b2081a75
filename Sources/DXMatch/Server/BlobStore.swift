import DXWire

/// Where the blobs of registrations lie: by size in steps of 64 bytes, each size in pieces of 256 places, with a list of free
/// ones. One allocation holds 256 blobs, where an array for each would cost 40 bytes more and scatter them.
///
/// Complexity: O(1), and copying the bytes. Never shrinks.
struct BlobStore: Sendable {
    /// Names a blob. Its size says where to look.
    struct Reference: Equatable, Sendable, BitwiseCopyable {
        /// Its place among those of its size.
        fileprivate(set) var index: UInt32
        /// The bytes of the blob, at most `MatchConstants.maximumBlob`.
        fileprivate(set) var byteCount: UInt16

        /// No bytes, no place.
        static let empty = Reference(index: 0, byteCount: 0)
    }

    private struct Size: Sendable {
        var pieces: [[UInt8]] = []
        var free: [UInt32] = []
        var end: UInt32 = 0
    }

    /// A step of sizes: sealed candidates are about 300 bytes, and on average half a step is lost.
    private static let step = 64
    private static let shift: UInt32 = 8

    private var sizes: [Size]

    /// An empty store.
    init() { sizes = [Size](repeating: Size(), count: (MatchConstants.maximumBlob + Self.step - 1) / Self.step) }

    /// Copies a blob in. One above `MatchConstants.maximumBlob` is a programming error and traps.
    mutating func insert(_ blob: RawSpan) -> Reference {
        guard blob.byteCount > 0 else { return .empty }
        precondition(blob.byteCount <= MatchConstants.maximumBlob, "a blob has its limit")
        let size = Self.size(blob.byteCount)
        let index = takePlace(size)
        let offset = Self.offset(index, size)
        unsafe sizes[size].pieces[Int(index &>> Self.shift)].withUnsafeMutableBytes { memory in
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset...])
            unsafe blob.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        return Reference(index: index, byteCount: UInt16(blob.byteCount))
    }

    /// Frees a blob's place.
    mutating func remove(_ reference: Reference) {
        guard reference.byteCount > 0 else { return }
        sizes[Self.size(Int(reference.byteCount))].free.append(reference.index)
    }

    /// Appends the bytes of a blob.
    @_lifetime(output: copy output)
    func write(_ reference: Reference, to output: inout OutputRawSpan) {
        guard reference.byteCount > 0 else { return }
        let size = Self.size(Int(reference.byteCount))
        let offset = Self.offset(reference.index, size)
        let piece = sizes[size].pieces[Int(reference.index &>> Self.shift)]
        unsafe output.write(piece.span.bytes.extracting(offset..<(offset &+ Int(reference.byteCount))))
    }

    /// The bytes of a blob, copied.
    func bytes(_ reference: Reference) -> [UInt8] {
        guard reference.byteCount > 0 else { return [] }
        let size = Self.size(Int(reference.byteCount))
        let offset = Self.offset(reference.index, size)
        return Array(
            sizes[size].pieces[Int(reference.index &>> Self.shift)][offset..<(offset &+ Int(reference.byteCount))])
    }

    /// The bytes held.
    var byteCount: Int {
        sizes.enumerated().reduce(0) { sum, entry in
            sum + entry.element.pieces.count * (entry.offset + 1) * Self.step << Int(Self.shift)
                + entry.element.free.capacity * 4
        }
    }

    private mutating func takePlace(_ size: Int) -> UInt32 {
        if let index = sizes[size].free.popLast() { return index }
        let index = sizes[size].end
        if index & (1 &<< Self.shift &- 1) == 0 {
            sizes[size].pieces.append([UInt8](repeating: 0, count: (size + 1) * Self.step << Int(Self.shift)))
        }
        sizes[size].end += 1
        return index
    }

    private static func size(_ byteCount: Int) -> Int { (byteCount &- 1) / step }

    private static func offset(_ index: UInt32, _ size: Int) -> Int {
        Int(index & (1 &<< shift &- 1)) &* (size &+ 1) &* step
    }
}
