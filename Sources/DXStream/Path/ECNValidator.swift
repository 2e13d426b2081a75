public import DXWire

/// Whether ECN works on a path (RFC 9000 §13.4.2 and §A.4): the first packets are marked as a test, and marking goes on
/// only when the peer's counts show that the marks arrived as sent.
///
/// States: *testing* marks up to ten packets; *waiting* has sent them all and hears nothing yet; *capable* marks every
/// packet; *failed* and *disabled* mark none, for the rest of the path's life. The table of all states and inputs is
/// `Tests/DXStreamTests/Golden/ecn-transitions.txt`.
public struct ECNValidator: Sendable, BitwiseCopyable {
    /// Where the path stands.
    public enum Phase: Sendable, Hashable, CaseIterable, BitwiseCopyable {
        /// Not wanted, or the socket cannot mark.
        case disabled
        /// Packets are marked; fewer than ten so far, none confirmed.
        case testing
        /// Ten marked packets are out, none confirmed; nothing more is marked until then.
        case waiting
        /// Marks arrive; every packet is marked, and counts are congestion signals.
        case capable
        /// Marks are lost, changed or not reported; nothing is marked any more.
        case failed
    }

    /// Where the path stands.
    public private(set) var phase: Phase
    /// Marked packets sent.
    private var sentCount: UInt64 = 0
    /// Marked packets that were acknowledged.
    private var acknowledgedCount: UInt64 = 0
    /// Marked packets that were declared lost before any was confirmed.
    private var lostCount: UInt64 = 0
    /// The counts of the newest ACK that passed.
    private var counts = ECNCounts()

    /// How many packets are marked as a test (RFC 9000 §A.4). If the path drops marked packets, these are lost; with
    /// fewer, ordinary loss would often be taken for that.
    private static let testCount: UInt64 = 10

    /// A path not tested yet; with `isEnabled` false it never marks.
    public init(isEnabled: Bool) { phase = isEnabled ? .testing : .disabled }

    /// The next packet is to be marked ECT(0).
    public var marksPackets: Bool {
        switch phase {
        case .testing, .capable: true
        case .disabled, .waiting, .failed: false
        }
    }

    /// A packet was sent, marked or not. Every packet is reported, also one that only acknowledges: the peer counts all.
    public mutating func onSent(packetNumber: UInt64, marked: Bool) {
        guard marked else { return }
        sentCount = sentCount.addingSaturating(1)
        switch phase {
        case .testing: if sentCount >= Self.testCount { phase = .waiting }
        case .disabled, .waiting, .capable, .failed: break
        }
    }

    /// An ACK was received that newly acknowledged `newlyAckedMarked` marked packets, and carried `counts` or none. True
    /// when the count of CE rose: the path is congested (RFC 9002 §7.3.1, §B.7).
    ///
    /// Validation is RFC 9000 §13.4.2.1, and only for an ACK that raised the largest acknowledged number: a reordered one
    /// carries old counts.
    public mutating func onAcknowledged(
        newlyAckedMarked: Int, counts new: ECNCounts?, largestAckedChanged: Bool, now: Instant
    ) -> Bool {
        let newly = UInt64(max(0, newlyAckedMarked))
        acknowledgedCount = acknowledgedCount.addingSaturating(newly)
        switch phase {
        case .disabled, .failed: return false
        case .testing, .waiting, .capable: break
        }
        guard largestAckedChanged else { return false }
        guard let new else {
            // The peer, or something before it, does not tell the marks.
            if newly > 0 { phase = .failed }
            return false
        }
        guard isPlausible(new, newly: newly) else {
            phase = .failed
            return false
        }
        let roseCE = new.ce > counts.ce
        counts = new
        switch phase {
        case .testing, .waiting:
            if new.ect0 > 0 {
                phase = .capable
            } else {
                giveUpIfTestIsOver()
            }
        case .disabled, .capable, .failed: break
        }
        // A path that has shown CE only, never ECT(0), may write CE on everything: no signal until it is capable.
        return roseCE && phase == .capable
    }

    /// `marked` marked packets were declared lost. When that, with what was acknowledged, is the whole test, the path
    /// drops or rewrites marked packets.
    public mutating func onLost(marked: Int) {
        switch phase {
        case .testing, .waiting:
            lostCount = lostCount.addingSaturating(UInt64(max(0, marked)))
            giveUpIfTestIsOver()
        case .disabled, .capable, .failed: break
        }
    }

    /// The test ends in failure when its ten packets are all accounted for and not one is known to have arrived as
    /// ECT(0).
    private mutating func giveUpIfTestIsOver() {
        if phase == .waiting && lostCount.addingSaturating(acknowledgedCount) >= sentCount { phase = .failed }
    }

    /// RFC 9000 §13.4.2.1: counts never fall; each newly acknowledged marked packet is in them, as ECT(0) or CE; there
    /// are never more of these than were sent; and ECT(1), which is never sent, is not there.
    private func isPlausible(_ new: ECNCounts, newly: UInt64) -> Bool {
        guard new.ect0 >= counts.ect0, new.ce >= counts.ce, new.ect1 == 0 else { return false }
        let rise = (new.ect0 - counts.ect0).addingSaturating(new.ce - counts.ce)
        return rise >= newly && new.ect0.addingSaturating(new.ce) <= sentCount
    }
}

extension UInt64 {
    /// The sum, or the largest number: counts from the network may be anything.
    fileprivate func addingSaturating(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
