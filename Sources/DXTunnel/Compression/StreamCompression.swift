import CZlib
import DXStream
import DXWire
import NIOCore

/// Makes what one connection carries fewer bytes on its way, each direction by itself (RFC 1951). Bound to the gateway's event loop.
///
/// Nothing of one connection ever meets what another carries: each has compressors of its own, which begin with nothing. All
/// that is given is let go at once (a sync flush), so that an answer does not wait for more. What comes is decompressed piece
/// by piece, only as it is asked for: a peer that sends what swells a thousand times fills no memory but one piece.
///
/// Takes about 64 KiB for the one direction and 16 KiB for the other, from the first byte of each on.
final class StreamCompression {
    private var packer: DeflateCodec?
    private var unpacker: DeflateCodec?
    /// What has come and is not decompressed.
    private var input = ByteBuffer()
    /// The last piece was full: there may be more of what was taken.
    private var mayHoldMore = false

    /// The largest piece that is decompressed at once.
    static let pieceByteCount = 65_536

    /// Why a connection ends when `pack` gives nothing.
    static let noMemory = "there is no memory to compress what it carries"

    /// Nothing has come or gone.
    init() {}

    /// What to send instead of `bytes`; nil when there is no memory.
    func pack(_ bytes: ByteBuffer) -> ByteBuffer? {
        if packer == nil { packer = DeflateCodec(compresses: true) }
        guard let packer else { return nil }
        var bytes = bytes
        var output = ByteBuffer()
        output.reserveCapacity(bytes.readableBytes / 2 + 64)
        while true {
            // With less room than seven bytes a flush could be made again and again (zlib.h).
            let step = packer.run(&bytes, into: &output, atMost: max(1_024, bytes.readableBytes / 2))
            if !step.isFull { return output }
        }
    }

    /// Bytes that have come and are not decompressed.
    var heldByteCount: Int { input.readableBytes }

    /// Takes what came before anything is read.
    func add(_ bytes: ByteBuffer) { input = bytes }

    /// What comes next on a stream, as `PeerChannel.read` says it; a reset when it cannot be decompressed.
    func read(_ id: StreamID, on channel: PeerChannel) -> StreamRead {
        while true {
            switch next() {
            case .piece(let piece): return .bytes(piece)
            case .broken: return .reset(.aborted)
            case .none: break
            }
            let read = channel.read(id)
            guard case .bytes(let bytes) = read else { return read }
            input = bytes
        }
    }

    /// What is there of decompressed bytes.
    enum Next: Equatable {
        /// Nothing, before more comes.
        case none
        case piece(ByteBuffer)
        /// What came is not compressed.
        case broken
    }

    /// The next piece of what came.
    func next() -> Next {
        guard input.readableBytes > 0 || mayHoldMore else { return .none }
        if unpacker == nil { unpacker = DeflateCodec(compresses: false) }
        guard let unpacker else { return .broken }
        var piece = ByteBuffer()
        let step = unpacker.run(
            &input, into: &piece, atMost: min(Self.pieceByteCount, max(1_024, input.readableBytes * 4)))
        if step.isBroken { return .broken }
        mayHoldMore = step.isFull
        if piece.readableBytes > 0 { return .piece(piece) }
        // Without a byte made all is taken.
        return input.readableBytes == 0 ? .none : .broken
    }
}

@available(*, unavailable)
extension StreamCompression: Sendable {}

/// One direction, in zlib.
@safe
private final class DeflateCodec {
    private let codec: OpaquePointer

    /// Nil when there is no memory.
    init?(compresses: Bool) {
        guard let codec = unsafe dx_deflate_create(compresses) else { return nil }
        unsafe self.codec = codec
    }

    deinit { unsafe dx_deflate_destroy(codec) }

    /// Takes bytes from `input` and appends at most `limit` bytes to `output`.
    func run(
        _ input: inout ByteBuffer, into output: inout ByteBuffer, atMost limit: Int
    ) -> (isFull: Bool, isBroken: Bool) {
        var step = dx_deflate_step()
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { room in
            unsafe input.withUnsafeReadableBytes { bytes in
                unsafe step = dx_deflate_run(
                    codec, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count,
                    room.baseAddress?.assumingMemoryBound(to: UInt8.self), min(limit, room.count))
            }
            return step.made
        }
        input.moveReaderIndex(forwardBy: step.used)
        return (step.made == limit, step.is_broken)
    }
}
