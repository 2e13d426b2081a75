import DXTestFiles
import DXWire
import Foundation
import NIOPosix
import Testing

@testable import DXTunnel

@Suite struct AuditFileTests {
    private func record(_ number: Int64, tunnel: String = "web") -> AuditRecord {
        var record = AuditRecord(
            time: Timestamp(unixMilliseconds: 1_800_000_000_000 + number), tunnel: tunnel, role: .origin,
            peer: "cloud-1", client: "192.0.2.7:\(number)", end: .closed)
        record.start = Timestamp(unixMilliseconds: 1_800_000_000_000)
        record.durationMilliseconds = UInt64(number)
        (record.bytesToTarget, record.bytesToClient) = (UInt64(number), 7)
        return record
    }

    private func all(_ file: AuditFile) -> [AuditRecord] { file.reader().records(atMost: .max) { _ in true } }

    private func lines(_ records: [AuditRecord]) -> [UInt8] { records.flatMap { Array(AuditLine.text($0).utf8) } }

    @Test func aLineIsReadAsItWasWritten() throws {
        var odd = record(3, tunnel: "a\\b")
        (odd.role, odd.networkProtocol, odd.end) = (.destination, .udp, .refused)
        (odd.client, odd.target, odd.reason, odd.count) = (nil, "[::1]:53", "no \\ such é target", 9)
        for record in [record(1), odd] {
            let text = AuditLine.text(record)
            #expect(text.last == "\n" && text.utf8.count <= AuditLine.longest)
            #expect(AuditLine.record(text.dropLast()) == record)
            // Torn anywhere it is no line.
            for count in 0..<(text.count - 1) { #expect(AuditLine.record(text.prefix(count)) == nil) }
        }
        // What comes from elsewhere ends no line and no field.
        odd.reason = "a\tb\nc\u{1b}[31m" + String(repeating: "x", count: 5_000)
        let text = AuditLine.text(odd)
        #expect(text.filter { $0 == "\n" }.count == 1 && text.utf8.count <= AuditLine.longest)
        #expect(AuditLine.record(text.dropLast())?.reason?.hasPrefix("a\\u{9}b\\u{a}c") ?? false)
    }

    /// No bytes make the reader trap.
    @Test func anyBytesAreReadOrSkipped() throws {
        var random = RandomSource(seed: 4)
        let good = Array(AuditLine.text(record(1)).utf8)
        for _ in 0..<5_000 {
            var bytes = good
            for _ in 0...random.below(4) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = AuditLine.record(String(decoding: bytes, as: UTF8.self)[...])
        }
    }

    /// The newest are there, the oldest go by halves, and the two files together stay within the size.
    @Test func theOldestGo() throws {
        let directory = TemporaryDirectory()
        let file = AuditFile(directory: directory.path, byteCount: 20_000)
        for number in 0..<1_000 as Range<Int64> { #expect(file.append(lines([record(number)])) == nil) }
        let sizes = try ["audit.log", "audit.1.log"].map {
            try #require(FileManager.default.attributesOfItem(atPath: directory.file($0))[.size] as? Int)
        }
        #expect(sizes[0] + sizes[1] <= 20_000 && sizes[1] > 9_000)
        let records = all(file)
        #expect(records.count > 100 && records.last == record(999))
        #expect(records == (0..<records.count).map { record(Int64(1_000 - records.count + $0)) })
        let mode = try FileManager.default.attributesOfItem(atPath: directory.file("audit.log"))[.posixPermissions]
        #expect(mode as? Int == 0o600)
    }

    /// Put back from a backup, or opened to others by hand.
    @Test func nobodyElseMayReadIt() throws {
        let directory = TemporaryDirectory()
        let path = directory.file("audit.log")
        try Data().write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(AuditFile(directory: directory.path, byteCount: 20_000).append(lines([record(1)])) == nil)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    /// They are read from the end, in pieces: lines lie across their bounds, and nothing behind what is wanted is looked at.
    @Test func theNewestAreReadFirst() throws {
        let directory = TemporaryDirectory()
        let file = AuditFile(directory: directory.path, byteCount: 700_000)
        for first in stride(from: Int64(0), to: 5_000, by: 100) {
            #expect(file.append(lines((first..<first + 100).map { record($0) })) == nil)
        }
        let records = all(file)
        #expect(records.count > 4_000)
        #expect(records == (0..<records.count).map { record(Int64(5_000 - records.count + $0)) })
        // What is written and renamed meanwhile changes nothing.
        let reader = file.reader()
        for first in stride(from: Int64(5_000), to: 11_000, by: 100) {
            #expect(file.append(lines((first..<first + 100).map { record($0) })) == nil)
        }
        var seen = 0
        let few = reader.records(atMost: 3) {
            seen += 1
            return $0.bytesToTarget.isMultiple(of: 2)
        }
        #expect(few == [4_994, 4_996, 4_998].map { record($0) } && seen == 6)
        #expect(reader.records(atMost: 0) { _ in true }.isEmpty)
        #expect(reader.records(atMost: .max) { _ in true } == records)
    }

    /// However long garbage is, what lies before and behind it is found.
    @Test func garbageLongerThanAPieceIsSkipped() throws {
        let directory = TemporaryDirectory()
        let file = AuditFile(directory: directory.path, byteCount: 1 << 20)
        let garbage = [UInt8](repeating: UInt8(ascii: "x"), count: 3 * AuditReader.pieceByteCount) + [0x0a]
        #expect(file.append(lines([record(1)]) + garbage + lines([record(2)])) == nil)
        #expect(all(file) == [record(1), record(2)])
    }

    /// More than a small log holds, at once: the newest are there, without a gap, and it stays within its size.
    @Test func asMuchAsThereIsRoomForIsKeptOfMany() async throws {
        let directory = TemporaryDirectory()
        let size = 64 << 10
        let log = try #require(AuditLog(AuditSettings(byteCount: size), directory: directory.path))
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        for number in 0..<900 as Range<Int64> { log.record(record(number), now: .zero, on: loop) }
        let records = try await log.records(tunnel: nil, since: nil, limit: 1_000)
        // Half of it at least.
        #expect(records.count > 300)
        #expect(records == (0..<records.count).map { record(Int64(900 - records.count + $0)) })
        let sizes = try ["audit.log", "audit.1.log"].map {
            try #require(FileManager.default.attributesOfItem(atPath: directory.file($0))[.size] as? Int)
        }
        #expect(sizes[0] + sizes[1] <= size)
    }

    /// A size in which not one record has room.
    @Test(arguments: [true, false]) func theNewestIsAlwaysKept(isOnDisk: Bool) async throws {
        let directory = TemporaryDirectory()
        let log = try #require(AuditLog(AuditSettings(byteCount: 1), directory: isOnDisk ? directory.path : nil))
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        for number in 0..<50 as Range<Int64> { log.record(record(number), now: .zero, on: loop) }
        #expect(try await log.records(tunnel: nil, since: nil, limit: 1_000).last == record(49))
    }

    /// A crash in the middle of a line costs that line.
    @Test func aTornLineIsSkipped() throws {
        let directory = TemporaryDirectory()
        let file = AuditFile(directory: directory.path, byteCount: 1 << 20)
        #expect(file.append(lines([record(1), record(2)])) == nil)
        let path = directory.file("audit.log")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.dropLast(9).write(to: URL(fileURLWithPath: path))
        #expect(all(file) == [record(1)])
        #expect(file.append(lines([record(3)])) == nil)
        #expect(all(file) == [record(1), record(3)])
        // Garbage of any kind is skipped, too.
        try (Data([0xff, 0x0a, 0x00, 0x31, 0x09, 0x0a]) + bytes).write(to: URL(fileURLWithPath: path))
        #expect(all(file) == [record(1), record(2)])
    }

    /// A directory that takes nothing is named, and stops nothing.
    @Test func whatCannotBeWrittenIsNamed() async throws {
        let log = try #require(AuditLog(AuditSettings(), directory: "/nonexistent/dx"))
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        log.record(record(1), now: .zero, on: loop)
        log.write()
        #expect(log.status.problem != nil && log.status.unwritten == 1 && log.status.records == 1)
        #expect(try await log.records(tunnel: nil, since: nil, limit: 10).isEmpty)
    }

    /// Without a state directory records are in memory; beyond the rate they are counted, and a record says how many.
    @Test(arguments: [true, false]) func aFloodIsCounted(isOnDisk: Bool) async throws {
        let directory = TemporaryDirectory()
        let log = try #require(AuditLog(AuditSettings(), directory: isOnDisk ? directory.path : nil))
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let count = Int64(AuditLog.burst) + 500
        for number in 0..<count { log.record(record(number), now: .zero, on: loop) }
        let status = log.status
        #expect(status.records == UInt64(AuditLog.burst) && status.leftOut == 500 && status.isOnDisk == isOnDisk)
        let later = Instant.zero + .seconds(1)
        log.record(record(count, tunnel: "ssh"), now: later, on: loop)
        let records = try await log.records(tunnel: nil, since: nil, limit: 2)
        #expect(records.count == 2 && records[0].end == .leftOut && records[0].count == 500)
        #expect(records[1] == record(count, tunnel: "ssh"))
        let ofOne = try await log.records(tunnel: "ssh", since: nil, limit: 100)
        #expect(ofOne.map(\.end) == [.leftOut, .closed])
        let late = try await log.records(tunnel: "web", since: record(990).time, limit: 100)
        #expect(late.filter { $0.end == .closed } == (990..<1_000).map { record($0) })
    }

    /// A scanner's refusals do not take the place of connections.
    @Test func refusalsAreFewer() throws {
        let log = try #require(AuditLog(AuditSettings(), directory: nil))
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        var refused = record(1)
        refused.end = .refused
        for _ in 0..<5_000 { log.record(refused, now: .zero, on: loop) }
        #expect(log.status.records == UInt64(AuditLog.refusalBurst))
        log.record(record(2), now: .zero, on: loop)
        #expect(log.status.records == UInt64(AuditLog.refusalBurst) + 1)
    }

    @Test func nothingIsKeptWhereNobodyWants() {
        #expect(AuditLog(AuditSettings(byteCount: nil), directory: nil) == nil)
    }
}
