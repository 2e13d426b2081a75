/// What `matchload` is told: how many, how long, how often.
struct Arguments {
    /// Simulated gateways.
    var members = 1_000
    /// Members of a group; each group has a match key and one ticket, which its members share.
    var groupSize = 100
    /// How often each is refreshed, in seconds: what a gateway does as long as it does not know its NAT better.
    var refreshSeconds = 25.0
    /// How long all that is watched once all are registered, in seconds.
    var seconds = 60.0
    /// Introductions begun in a second, meanwhile.
    var introductions = 100.0
    /// Requests in a second from one further address prefix that proves nothing, meanwhile: more than it may make.
    var strangers = 500.0
    /// Candidates in a blob, each with an IPv6 address: the largest.
    var candidates = 6
    /// Numbers of registrations at which a line is printed.
    var stages: [Int] = []
    /// Where the public match keys are written, for `dxmatchd run --groups`.
    var groupsFile = "groups"

    static let usage = """
        matchload [--members N] [--group-size N] [--refresh S] [--seconds S] [--introductions RATE] [--strangers RATE]
                  [--candidates N] [--stages N,N...] [--groups FILE]
        Writes the match keys of its groups, then reads `ADDRESS PORT PIN` of a dxmatchd that serves them from standard
        input, registers simulated gateways at it, and prints a line of JSON for each thing that is measured.
        """

    /// Reads the arguments behind the program's name; nil when one is wrong.
    init?(_ words: [String]) {
        var words = words[...]
        while let name = words.popFirst() {
            guard let value = words.popFirst() else { return nil }
            switch name {
            case "--members": guard Self.read(value, 1...AddressPlan.capacity, &members) else { return nil }
            case "--group-size": guard Self.read(value, 2...10_000, &groupSize) else { return nil }
            case "--candidates": guard Self.read(value, 0...16, &candidates) else { return nil }
            case "--refresh": guard Self.read(value, 0.1, &refreshSeconds) else { return nil }
            case "--seconds": guard Self.read(value, 0, &seconds) else { return nil }
            case "--introductions": guard Self.read(value, 0, &introductions) else { return nil }
            case "--strangers": guard Self.read(value, 0, &strangers) else { return nil }
            case "--groups": groupsFile = value
            case "--stages":
                stages = value.split(separator: ",").compactMap { Int($0) }.sorted()
            default: return nil
            }
        }
    }

    /// As many groups as it takes.
    var groupCount: Int { max(1, members / groupSize) }

    private static func read(_ text: String, _ range: ClosedRange<Int>, _ value: inout Int) -> Bool {
        guard let number = Int(text), range.contains(number) else { return false }
        value = number
        return true
    }

    private static func read(_ text: String, _ least: Double, _ value: inout Double) -> Bool {
        guard let number = Double(text), number >= least, number < 1e6 else { return false }
        value = number
        return true
    }
}
