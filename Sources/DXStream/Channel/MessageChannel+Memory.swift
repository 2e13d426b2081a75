public import DXWire

/// Memory that several channels share.
extension MessageChannel {
    /// Has the channel use `part` of `whole` parts of its memory from now on: all of it while there is plenty, less while the memory
    /// that it shares with others runs out.
    ///
    /// What the peer was told that it may send stays so: windows shrink as data is read, and what is held already is not
    /// thrown away. However small the part, `leastReceiveRoom` is left beside what waits for slow readers, so that other streams go
    /// on, and never is more than `ChannelConfiguration.receiveMemory` on the way. Writers have what `leastWriteAhead` says at least.
    ///
    /// Call it again from time to time while `part` is less than `whole`: the room beside what waits is that of the moment.
    ///
    /// - Parameters:
    ///   - part: 1 to `whole`.
    ///   - whole: at least 1.
    /// - Returns: whether there is something to send, or somebody to tell, for that.
    public mutating func setMemoryPart(_ part: Int, of whole: Int, now: Instant) -> Bool {
        advance(to: now)
        precondition(part >= 1 && part <= whole, "a part of the memory is some of it")
        guard phase == .open else { return false }
        let isShort = part < whole
        // All of it rounds down to a little less than there is; a part may.
        let receiveBudget =
            isShort ? configuration.receiveMemory / UInt64(whole) &* UInt64(part) : configuration.receiveMemory
        let sendBefore = sendBudget
        sendBudget = isShort ? configuration.sendMemory / whole &* part : configuration.sendMemory
        streamWindowCap =
            isShort
            ? max(configuration.initialStreamWindow / UInt64(whole) &* UInt64(part), Self.leastStreamWindow) : nil
        let held = window.highestReceived &- window.consumed
        window.setSize(min(max(receiveBudget, held &+ Self.leastReceiveRoom), configuration.receiveMemory))
        if sendBudget > sendBefore { wakeWriters() }
        return window.isAnnouncementDue || !events.isEmpty
    }

    /// 64 KiB: the largest chunk that a reader gets, and 5 Mbit/s over 100 ms.
    private static var leastReceiveRoom: UInt64 { 65_536 }
    /// 16 KiB, the least first window of a stream that a gateway offers (`GatewayCore`).
    private static var leastStreamWindow: UInt64 { 16_384 }
}
