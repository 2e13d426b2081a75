/// The frame types of `docs/wire-format.md` §6.
public enum FrameType {
    /// §6.1.
    public static let padding: UInt8 = 0x00
    /// §6.2.
    public static let ping: UInt8 = 0x01
    /// §6.3, without ECN counts.
    public static let ack: UInt8 = 0x02
    /// §6.3, with ECN counts.
    public static let ackECN: UInt8 = 0x03
    /// §6.4.
    public static let reset: UInt8 = 0x04
    /// §6.5.
    public static let stop: UInt8 = 0x05
    /// §6.6.
    public static let control: UInt8 = 0x06
    /// §6.7.
    public static let maxData: UInt8 = 0x07
    /// §6.8.
    public static let maxStreamData: UInt8 = 0x08
    /// §6.9.
    public static let maxStreams: UInt8 = 0x09
    /// §6.10.
    public static let open: UInt8 = 0x0a
    /// §6.11.
    public static let pathChallenge: UInt8 = 0x0b
    /// §6.12.
    public static let pathResponse: UInt8 = 0x0c
    /// §6.13.
    public static let datagram: UInt8 = 0x0d
    /// §6.14.
    public static let close: UInt8 = 0x0e
    /// §6.15.
    public static let retirePath: UInt8 = 0x0f
    /// §6.16: the first of eight, with three flag bits.
    public static let stream: UInt8 = 0x10
    /// §6.16: the data ends the stream.
    public static let streamFin: UInt8 = 0x01
    /// §6.16: a length stands before the data.
    public static let streamLength: UInt8 = 0x02
    /// §6.16: an offset stands before the data; otherwise it is 0.
    public static let streamOffset: UInt8 = 0x04
    /// §6.17: the first extension.
    public static let pathStatus: UInt64 = 0x40
    /// Types from here on are extensions that carry their own length.
    public static let firstExtension: UInt64 = 64
}
