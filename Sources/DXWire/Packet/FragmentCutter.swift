/// Cuts a session record that is larger than a datagram into fragments (`docs/wire-format.md` §2.2), in order.
public struct FragmentCutter: ~Escapable {
    private let body: RawSpan
    private let connectionID: ConnectionID
    private let recordNumber: UInt64
    private let slice: Int
    private var offset = 0
    private var index = 0

    /// - Parameters:
    ///   - record: connection id, record number (below `FragmentHeader.recordNumberBound`), body of 1 to
    ///     `FragmentHeader.maximumBody` bytes. Anything else is a programming error and traps.
    ///   - datagramByteCount: the size of every datagram but the last, so that `FragmentHeader.count` is not 0.
    @_lifetime(copy record)
    public init(_ record: RawSpan, datagramByteCount: Int) {
        var reader = ByteReader(record)
        guard let id = try? reader.readUInt64(), let high = try? reader.readUInt16(),
            let low = try? reader.readUInt32(), high < 1 << 8
        else { preconditionFailure("a record has a connection id and a number of at most 40 bits") }
        body = record.extracting(FragmentHeader.recordHeadByteCount...)
        precondition(
            FragmentHeader.count(body: body.byteCount, datagramByteCount: datagramByteCount) > 0,
            "a record of up to 16 KiB and datagrams of some size")
        connectionID = ConnectionID(rawValue: id)
        recordNumber = UInt64(high) &<< 32 | UInt64(low)
        slice = datagramByteCount &- FragmentHeader.byteCount
    }

    /// Whether all were written.
    public var isDone: Bool { offset == body.byteCount }

    /// Appends the next fragment, at most the datagram's size; nothing when all were written.
    @_lifetime(output: copy output)
    public mutating func writeNext(to output: inout OutputRawSpan) {
        guard !isDone else { return }
        let end = min(offset &+ slice, body.byteCount)
        FragmentHeader(
            connectionID: connectionID, recordNumber: recordNumber, index: index, isLast: end == body.byteCount,
            bodyByteCount: body.byteCount
        ).write(to: &output)
        output.write(body.extracting(offset..<end))
        offset = end
        index &+= 1
    }
}
