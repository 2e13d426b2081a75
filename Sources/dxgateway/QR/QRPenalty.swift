/// How hard it is to read a matrix (ISO/IEC 18004:2015 §7.8.3.1, table 11): of all masks the one with the least
/// penalty is taken.
struct QRPenalty: Sendable {
    /// The sum of all points, 0 or more.
    let points: Int

    /// The penalty of as many rows as each has modules (dark is true), which have their codewords and a mask.
    init(_ rows: [[Bool]]) {
        let columns = rows.indices.map { x in rows.map { $0[x] } }
        let lines = (rows + columns).map { Self.runs($0) + Self.finders($0) }.reduce(0, +)
        points = lines + Self.squares(rows) + Self.balance(rows)
    }

    /// N1: five or more modules of one colour in a line are 3 points, and one for each module more.
    private static func runs(_ line: [Bool]) -> Int {
        var points = 0
        var length = 0
        var color: Bool?
        for module in line {
            length = module == color ? length + 1 : 1
            color = module
            if length == 5 { points += 3 }
            if length > 5 { points += 1 }
        }
        return points
    }

    /// N2: each square of 2 x 2 modules of one colour is 3 points; squares may overlap.
    private static func squares(_ rows: [[Bool]]) -> Int {
        var count = 0
        for (above, below) in zip(rows, rows.dropFirst()) {
            for x in 1..<above.count {
                let color = above[x]
                if above[x - 1] == color && below[x] == color && below[x - 1] == color { count += 1 }
            }
        }
        return 3 * count
    }

    /// N3: what looks like the middle of a finder pattern, with 4 light modules on either side, is 40 points.
    private static func finders(_ line: [Bool]) -> Int {
        let finder = [true, false, true, true, true, false, true]
        var points = 0
        var start = 0
        while start + finder.count <= line.count {
            let end = start + finder.count
            // The quiet zone is light, too.
            let before = line[max(start - 4, 0)..<start]
            let after = line[end..<min(end + 4, line.count)]
            if line[start..<end].elementsEqual(finder) && !(before.contains(true) && after.contains(true)) {
                points += 40
                start = end
            } else {
                start += 1
            }
        }
        return points
    }

    /// N4: 10 points for each full 5 % that the share of dark modules is away from one half.
    private static func balance(_ rows: [[Bool]]) -> Int {
        let dark = rows.joined().count { $0 }
        let all = rows.count * rows.count
        return 10 * (abs(20 * dark - 10 * all) / all)
    }
}
