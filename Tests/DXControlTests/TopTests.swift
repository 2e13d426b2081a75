import DXTunnel
import Testing

@testable import DXControl

@Suite struct TopTests {
    /// The same gateway two seconds later.
    private func later(_ status: GatewayStatus, _ change: (inout GatewayStatus) -> Void) -> GatewayStatus {
        var status = status
        status.uptimeSeconds += 2
        change(&status)
        return status
    }

    // MARK: Rates

    @Test func comparesTwoSnapshots() {
        let now = later(sampleStatus) { status in
            status.peers[0].bytesSent += 2_000
            status.peers[0].bytesReceived += 500
            status.peers[0].counters["packets_lost"] = 9
            status.peers[0].counters["packets_sent"] = 150
            status.tunnels[0].bytesToTarget += 10
            status.tunnels[0].totalConnections += 3
        }
        var before = sampleStatus
        before.peers[0].counters["packets_sent"] = 100
        let rates = TopRates(from: before, to: now)
        #expect(rates.seconds == 2)
        #expect(rates.peer(now.peers[0]) == TopRates.Peer(sent: 1_000, received: 250, loss: 0.04))
        #expect(rates.tunnel(now.tunnels[0]) == TopRates.Tunnel(toTarget: 5, toClient: 0, connections: 1.5))
        // Peers and tunnels that were not there before have no rates.
        before.peers = []
        before.tunnels = []
        #expect(TopRates(from: before, to: now).peer(now.peers[0]) == TopRates.Peer())
        #expect(TopRates(from: before, to: now).tunnel(now.tunnels[0]) == TopRates.Tunnel())
    }

    @Test func saysNothingWhereNothingCanBeCompared() {
        let restarted = later(sampleStatus) { $0.uptimeSeconds = 1 }
        let other = later(sampleStatus) { $0.id = idText("x") }
        for (before, now) in [
            (nil, sampleStatus), (sampleStatus, restarted), (sampleStatus, other), (sampleStatus, sampleStatus),
        ] {
            let rates = TopRates(from: before, to: now)
            #expect(rates.seconds == 0 && rates.peer(now.peers[0]) == TopRates.Peer())
        }
        // Counters of a path begin anew with another one.
        let moved = later(sampleStatus) { status in
            status.peers[0].counters["packets_lost"] = 0
            status.peers[0].bytesSent = 1
        }
        let rate = TopRates(from: sampleStatus, to: moved).peer(moved.peers[0])
        #expect(rate.loss == nil && rate.sent == nil && rate.received == 0)
    }

    @Test(
        arguments: [
            (nil, "-"), (0, "0"), (1, "8"), (124.9, "999"), (124.95, "1.00K"), (1_543, "12.3K"), (124_999, "1.00M"),
            (156_250_000, "1.25G"),
            (1e15, "8000T"),
        ] as [(Double?, String)])
    func writesRatesInThreeDigits(_ rate: Double?, _ text: String) { #expect(TopLayout.rate(rate) == text) }

    // MARK: The picture

    @Test func drawsWhatItIsTold() {
        let now = later(sampleStatus) { $0.peers[0].bytesSent += 2_500_000 }
        let layout = TopLayout(before: sampleStatus, status: now, state: TopState(), width: 120, height: 16)
        let lines = layout.lines.map(\.text)
        #expect(lines.count == 16)
        #expect(lines[0] == "edge-1 is NOT healthy, up 1 h 2 min; 1 of 2 peers connected, 1 of 2 tunnels work")
        #expect(lines[1] == "out 10.0M, in 0 bit/s; 1 connection open, 0 new/s; 1.00 KiB buffered")
        #expect(lines[2].hasPrefix("! (and 1 more) peer cloud-2 is down since "))
        #expect(lines[3].hasPrefix("PEER "))
        #expect(lines[4].hasPrefix("cloud-1  connected  direct      10.0M         0  12.345 ms     -"))
        #expect(lines[5].hasPrefix("cloud-2  down "))
        #expect(
            lines[6].isEmpty && lines[7].hasPrefix("TUNNEL ") && lines[8].hasPrefix("ssh ")
                && lines[9].hasPrefix("web "))
        #expect(lines[15].hasPrefix("q quit  tab view  sort: [t rate]  r rtt  l loss  c connections  n name"))
        let gone = TopLayout(
            before: nil, status: now, state: TopState(), trouble: "no answer for 3 s: x", width: 80, height: 16)
        #expect(gone.lines[2] == TopLayout.Line(text: "no answer for 3 s: x", style: .bad))
        #expect(gone.lines[1].text.hasPrefix("out -, in - bit/s; "))
    }

    /// No size and no fleet make it leave the screen.
    @Test(arguments: [1, 2, 5, 8, 24, 50], [1, 9, 40, 80, 200])
    func staysOnTheScreen(_ height: Int, _ width: Int) throws {
        for (peers, tunnels) in [(0, 0), (1, 1), (500, 100), (3, 1_000)] {
            let status = try fleetStatus(peers: peers, tunnels: tunnels, broken: 2)
            var state = TopState()
            for key in [TerminalKey.down, .tab, .end, .tab, .pageDown, .character("n"), .character("c")] {
                let layout = TopLayout(before: nil, status: status, state: state, width: width, height: height)
                #expect(layout.lines.count == height && layout.lines.allSatisfy { $0.text.count <= width })
                #expect(state.press(key, rowCount: layout.rowCount, mostRows: layout.mostRows) == .draw)
            }
        }
    }

    /// What one table does not need the other one has, and all rows can be reached by scrolling.
    @Test func usesTheWholeScreen() throws {
        let status = try fleetStatus(peers: 500, tunnels: 3, broken: 0)
        var state = TopState()
        #expect(state.press(.character("n"), rowCount: 1, mostRows: 1) == .draw)
        let both = TopLayout(before: nil, status: status, state: state, width: 100, height: 30)
        #expect(both.lines.filter { $0.text.hasPrefix("tunnel-") }.count == 3)
        #expect(both.lines.filter { $0.text.hasPrefix("peer-") }.count == 20)
        _ = state.press(.tab, rowCount: both.rowCount, mostRows: both.mostRows)
        let first = TopLayout(before: nil, status: status, state: state, width: 100, height: 30)
        #expect(first.lines.filter { $0.text.hasPrefix("peer-") }.count == 25 && first.rowCount == 25)
        _ = state.press(.end, rowCount: first.rowCount, mostRows: first.mostRows)
        #expect(state.scroll == 475)
        let last = TopLayout(before: nil, status: status, state: state, width: 100, height: 30)
        // By name, as text.
        #expect(last.lines[28].text.hasPrefix("peer-99 "))
    }

    @Test func sortsByWhatWasChosen() throws {
        let before = try fleetStatus(peers: 4, tunnels: 4, broken: 0)
        let now = later(before) { status in
            status.peers[1].bytesReceived += 5_000
            status.peers[2].counters = ["packets_sent": 2_000, "packets_lost": 501]
            status.tunnels[3].bytesToClient += 5_000
            status.tunnels[0].openConnections = 9
        }
        func first(_ keys: TerminalKey...) -> [String] {
            var state = TopState()
            for key in keys { _ = state.press(key, rowCount: 10, mostRows: 10) }
            let layout = TopLayout(before: before, status: now, state: state, width: 200, height: 40)
            return ["peer-", "tunnel-"].map { prefix in
                layout.lines.first { $0.text.hasPrefix(prefix) }.map { String($0.text.prefix { $0 != " " }) } ?? ""
            }
        }
        #expect(first() == ["peer-1", "tunnel-3"])
        #expect(first(.character("r")) == ["peer-3", "tunnel-3"])
        #expect(first(.character("l")) == ["peer-2", "tunnel-0"])
        #expect(first(.character("c")) == ["peer-3", "tunnel-0"])
        #expect(first(.character("n")) == ["peer-0", "tunnel-0"])
        #expect(first(.character("n"), .character("n")) == ["peer-3", "tunnel-3"])
    }

    // MARK: Keys

    @Test func readsKeys() {
        #expect(TerminalKey.read(Array("qN".utf8)) == [.character("q"), .character("N")])
        #expect(TerminalKey.read([3, 26, 9, 27]) == [.control("c"), .control("z"), .tab, .escape])
        #expect(TerminalKey.read(Array("\u{1B}[A\u{1B}OB\u{1B}[5~\u{1B}[6~".utf8)) == [.up, .down, .pageUp, .pageDown])
        #expect(
            TerminalKey.read(Array("\u{1B}[H\u{1B}[4~\u{1B}[1;5Cx".utf8)) == [.home, .end, .other, .character("x")])
        #expect(TerminalKey.read([0xC3, 0xA4, 27, 0x5B]) == [.other, .other, .other])
    }

    /// Nothing that a terminal, or somebody at its other end, may send ends it but the keys that are told.
    @Test func endsByFewKeysAlone() {
        var state = TopState()
        for byte in UInt8.min...UInt8.max {
            for key in TerminalKey.read([byte]) {
                let request = state.press(key, rowCount: 5, mostRows: 20)
                #expect((request == .quit) == [3, 4, UInt8(ascii: "q"), UInt8(ascii: "Q")].contains(byte))
                #expect((request == .suspend) == (byte == 26))
                #expect((0...15).contains(state.scroll))
            }
        }
    }
}
