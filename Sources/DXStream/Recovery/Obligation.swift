internal import DXWire

/// Something that a packet carried and that must be made good if the packet is lost.
///
/// Retransmission is of obligations, never of packets (quicly): acknowledgement or loss of a packet is applied to each
/// obligation it carried, and a lost one is sent again in whatever form is right by then, on whatever path.
/// Flat and trivial, 40 bytes: a packet of small frames has many.
struct Obligation: Sendable, BitwiseCopyable {
    /// What it is.
    enum Kind: UInt8, Sendable {
        /// `count` bytes of stream `id` from `offset`.
        case streamData
        /// The OPEN of stream `id`.
        case open
        /// The RESET of stream `id`.
        case reset
        /// The STOP of stream `id`.
        case stop
        /// The MAX_STREAM_DATA of stream `id`.
        case maxStreamData
        /// The MAX_DATA of the channel.
        case maxData
        /// The MAX_STREAMS of the channel.
        case maxStreams
        /// `count` bytes of the control stream from `offset`.
        case control
        /// The RETIRE_PATH of path `id`.
        case retirePath
        /// The PATH_STATUS of path `id`.
        case pathStatus
        /// An ACK of path `id` up to number `offset`: on acknowledgement the receiver's ranges up to there are forgotten.
        case ack
    }

    /// What it is.
    var kind: Kind
    /// Whether stream data ends the stream.
    var isFin = false
    /// The stream's place in the table; checked against `id`, for the place may have been used again.
    var slot: Int32 = 0
    /// Bytes of data.
    var count: UInt32 = 0
    /// The stream or path.
    var id: UInt64 = 0
    /// Where the data lies, or the acknowledged number.
    var offset: UInt64 = 0

    /// Fills unused places of a ring.
    static let filler = Obligation(kind: .maxData)
}
