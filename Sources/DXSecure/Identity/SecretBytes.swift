import CDXOpenSSL

/// Bytes that are zeroed when freed. Fixed in size, never copied by this type, immutable once filled, and so safe to
/// share between threads.
@safe
public final class SecretBytes: @unchecked Sendable {
    private let storage: UnsafeMutableRawBufferPointer

    /// `count` bytes, filled by `body`, which says how many of them count.
    public init(capacity: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(capacity, 1), alignment: 16)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        let count = unsafe body(memory)
        precondition(count >= 0 && count <= capacity, "a secret lies within its memory")
        unsafe storage = unsafe memory
        self.count = count
    }

    /// A copy of `bytes`.
    public convenience init(_ bytes: RawSpan) {
        unsafe self.init(capacity: bytes.byteCount) { memory in
            unsafe bytes.withUnsafeBytes { unsafe memory.copyMemory(from: $0) }
            return bytes.byteCount
        }
    }

    /// A copy of `bytes`, which are zeroes afterwards.
    public convenience init(moving bytes: inout [UInt8]) {
        unsafe self.init(bytes.span.bytes)
        unsafe bytes.withUnsafeMutableBytes { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    /// The number of bytes.
    public let count: Int

    /// Calls `body` with the bytes, which are valid for the call.
    public func withBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
        let bytes = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: storage[..<count]))
        return body(bytes)
    }

    /// Whether these are the same bytes. How long that takes tells their number at most.
    public func isEqual(to other: RawSpan) -> Bool {
        guard other.byteCount == count else { return false }
        return unsafe other.withUnsafeBytes { unsafe CRYPTO_memcmp($0.baseAddress, storage.baseAddress, count) == 0 }
    }
}
