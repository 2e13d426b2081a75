import DXStream

/// Work that is done packet by packet, on machines in memory. Made once; the making is not measured.
public protocol Workload {
    /// Does the work of `packets` packets.
    mutating func run(packets: Int)
}

/// All of them, by name.
public enum Workloads {
    /// Names and makers, in the order of a table.
    public static var all: [(name: String, make: () -> any Workload)] {
        [
            ("frames", { FrameWorkload() }),
            ("fragments", { FragmentWorkload() }),
            ("seal-open-1400", { SealWorkload(packetByteCount: 1_400, datagramByteCount: nil) }),
            ("seal-open-16k", { SealWorkload(packetByteCount: 15_978, datagramByteCount: 1_472) }),
            ("channel-1400", { ChannelWorkload(maximumPacket: 0, order: .inOrder, congestion: .cubic) }),
            ("channel-16k", { ChannelWorkload(maximumPacket: 16_384, order: .inOrder, congestion: .cubic) }),
            ("channel-reordered", { ChannelWorkload(maximumPacket: 0, order: .reversed, congestion: .cubic) }),
            ("channel-acks", { ChannelWorkload(maximumPacket: 0, order: .onePerBatch, congestion: .cubic) }),
            (
                "channel-100-streams",
                { ChannelWorkload(maximumPacket: 16_384, order: .inOrder, congestion: .cubic, streamCount: 100) }
            ),
            ("channel-bbr", { ChannelWorkload(maximumPacket: 0, order: .inOrder, congestion: .bbr) }),
            ("congestion-cubic", { CongestionWorkload(.cubic) }),
            ("congestion-automatic", { CongestionWorkload(.automatic) }),
            ("congestion-bbr", { CongestionWorkload(.bbr) }),
        ]
    }
}
