import DXWire
import Testing

@testable import DXSocket

@Suite struct SendRunTests {
    static let here = Endpoint.loopback(1)

    /// A run that starts with one datagram.
    private final class Growing {
        var run: SendRun

        init(_ size: Int) {
            run = SendRun(destination: here, source: nil, ecn: .ect0, offset: 0, byteCount: size)
        }

        func extend(
            _ size: Int, to destination: Endpoint = here, from source: Endpoint? = nil, ecn: ECNMark = .ect0
        ) -> Bool {
            run.extend(destination: destination, source: source, ecn: ecn, byteCount: size)
        }
    }

    @Test func onlyTheSameWayExtends() {
        let growing = Growing(100)
        #expect(!growing.extend(100, to: .loopback(2)))
        #expect(!growing.extend(100, from: Self.here))
        #expect(!growing.extend(100, ecn: .ce))
        #expect(!growing.extend(101))
        #expect(growing.run.segmentCount == 1 && growing.run.byteCount == 100)
        #expect(growing.extend(100))
        #expect(growing.run.segmentCount == 2 && growing.run.byteCount == 200)
    }

    @Test func aShorterDatagramIsTheLast() {
        let growing = Growing(100)
        #expect(growing.extend(99))
        #expect(!growing.extend(99))
        #expect(!growing.extend(100))
        #expect(growing.run.segmentCount == 2 && growing.run.byteCount == 199 && growing.run.segmentSize == 100)
    }

    @Test func segmentsAreLimitedTo64() {
        let growing = Growing(10)
        var added = 1
        while growing.extend(10) { added += 1 }
        #expect(added == 64 && growing.run.segmentCount == 64)
    }

    @Test func bytesAreLimitedTo65000() {
        let growing = Growing(1300)
        while growing.extend(1300) {}
        #expect(growing.run.byteCount == 65_000 && growing.run.segmentCount == 50)
        let odd = Growing(1452)
        while odd.extend(1452) {}
        #expect(odd.run.byteCount == 44 * 1452)
    }

    @Test func takingSegmentsAwayEndsAtNothing() {
        let growing = Growing(100)
        #expect(growing.extend(100) && growing.extend(30))
        #expect(growing.run.firstSegment.byteCount == 100 && growing.run.firstSegment.segmentCount == 1)
        growing.run.dropFirstSegment()
        growing.run.dropFirstSegment()
        #expect(growing.run.firstSegment.byteCount == 30 && growing.run.firstSegment.offset == 200)
        growing.run.dropFirstSegment()
        #expect(growing.run.byteCount == 0 && growing.run.segmentCount == 0)
    }

    /// 512 runs per socket are in memory; a run is read and written for each datagram.
    @Test func theLayoutStaysSmall() {
        #expect(MemoryLayout<SendRun>.stride <= 104)
    }
}
