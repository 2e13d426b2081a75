/// The largest delivery rate of this probing cycle and of the one before (BBR.max_bw_filter, §5.5.6): a rate is believed
/// for one to two cycles, so the path may become slower, and no single poor cycle is taken for that.
struct CycleMaximum: Sendable, BitwiseCopyable {
    private var previous = 0.0
    private var current = 0.0

    /// The largest of both cycles; 0 before the first value.
    var value: Double { max(previous, current) }

    /// Takes in a value of this cycle.
    mutating func update(_ sample: Double) { current = max(current, sample) }

    /// A new cycle begins; the one before the last is forgotten. One without any value is none.
    mutating func advance() {
        guard current > 0 else { return }
        previous = current
        current = 0
    }
}

/// The largest value of the last rounds, by Kathleen Nichols' method: the best, and the best since, and the best since
/// that. Constant size; a maximum that ages out is replaced by one that is at most a third of the window older than it
/// should be.
struct WindowedMaximum: Sendable, BitwiseCopyable {
    private struct Entry: Sendable, BitwiseCopyable {
        var value = 0.0
        var round: UInt64 = 0
    }
    private var first = Entry()
    private var second = Entry()
    private var third = Entry()

    /// The largest value within the window; 0 before the first.
    var value: Double { first.value }

    /// Takes in a value of `round`; values of rounds more than `length` ago no longer count.
    mutating func update(_ sample: Double, round: UInt64, length: UInt64) {
        let entry = Entry(value: sample, round: round)
        if sample >= first.value || round &- third.round > length {
            first = entry
            second = entry
            third = entry
            return
        }
        if sample >= second.value {
            second = entry
            third = entry
        } else if sample >= third.value {
            third = entry
        }
        let age = round &- first.round
        if age > length {
            first = second
            second = third
            third = entry
            if round &- first.round > length {
                first = second
                second = third
            }
        } else if second.round == first.round, age > length / 4 {
            second = entry
            third = entry
        } else if third.round == second.round, age > length / 2 {
            third = entry
        }
    }
}
