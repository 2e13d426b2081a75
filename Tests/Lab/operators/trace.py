"""Traces of real channels: what they tell is what the gateways count, and what happened."""

import json
import os
import pathlib
import signal
import stat

from harness import qlog
from harness.data import Pattern, Server, echo, echo_works, receive_exactly
from harness.gateway import Pair, Tunnel, binary, command
from harness.lab import check, wait_until
from harness.runner import test

from .openapi import UnixConnection

COUNTERS = {"packets_sent": "transport:packet_sent", "packets_received": "transport:packet_received"}
# What goes through tunnels and must be in no trace; its hexadecimal form neither.
SECRET = b"nobody-else-reads-this"


def take(connection):
    """A handler: reads four bytes, a length, and as many bytes, and says so."""
    while head := connection.recv(4):
        receive_exactly(connection, int.from_bytes(head, "big"))
        connection.sendall(b"done")


def upload(connection, count, seed=1):
    """So many bytes to `take`."""
    connection.sendall(count.to_bytes(4, "big"))
    Pattern(seed).send(connection, count)
    check(receive_exactly(connection, 4) == b"done", "the upload arrived")


class Tracing:
    """`dxgateway trace` on a host, from when its file is there; `end` interrupts it as Ctrl-C does."""

    def __init__(self, run, gateway, peer, *options, name="trace"):
        self.path = run.directory / f"{name}.sqlog"
        self.process = run.lab.start(
            gateway.host, [binary(), "trace", peer, "--seconds", "3600", "--out", self.path, "--control", gateway.control, *options],
            name, run.directory / f"{name}.log")
        wait_until(lambda: self.path.exists() and self.path.stat().st_size > 0, f"{name} has begun", 60.0, alive=[self.process])

    def end(self):
        os.kill(self.process.pid, signal.SIGINT)
        check(self.process.wait(60.0) == 0, f"Ctrl-C: {self.process.ending()}: {self.process.output()}")
        return qlog.read(self.path)


def counters(gateway):
    peer = gateway.status()["peers"][0]
    return {**peer["counters"], "window": peer["congestion_window_bytes"]}


def quiet(gateway):
    """The counters, when nothing is on the way and two looks a while apart find the same losses."""
    seen = []

    def settled():
        seen.append(counters(gateway))
        return len(seen) > 20 and seen[-1]["bytes_in_flight"] == 0 and seen[-1]["packets_lost"] == seen[-20]["packets_lost"]
    wait_until(settled, "nothing is on the way", 60.0)
    return seen[-1]


@test(cells=("impaired",), seconds=600.0)
def trace_tells_what_was_counted(run):
    """A transfer over a lossy link is traced: each packet and each loss that the gateway counts is in the file, which is valid qlog"""
    tunnel = Tunnel("bulk", run.port(), run.port())
    with Pair(run.lab, run.directory / "pair", [tunnel]) as two, Server(run.lab, "b", int(tunnel.target.split(":")[1]), take):
        with two.connect(tunnel, 300.0) as connection:
            upload(connection, 300_000)
            before = quiet(two.a)
            tracing = Tracing(run, two.a, two.b.name)
            begun = counters(two.a)
            upload(connection, 6_000_000, seed=2)
            connection.sendall(len(SECRET).to_bytes(4, "big") + SECRET)
            check(receive_exactly(connection, 4) == b"done", "the last upload arrived")
            after = quiet(two.a)
            wait_until(lambda: tracing.path.stat().st_size > 1_000_000, "the trace is written", 60.0, alive=[tracing.process])
            last = wait_written(tracing, two.a)
        trace = tracing.end()
        ended = counters(two.a)
        check(stat.S_IMODE(tracing.path.stat().st_mode) == 0o600, "the file is its owner's alone")
        check(not trace.of("dx:records_lost"), "events are missing")
        figures = {}
        for counter, name in COUNTERS.items():
            packets = trace.packets(name)
            check(len(set(packets)) == len(packets), f"{name} tells of a packet twice")
            figures[counter] = len(packets)
            check(after[counter] - begun[counter] <= len(packets) <= ended[counter] - before[counter],
                  f"{counter}: {len(packets)} in the trace; {before[counter]}, {begun[counter]}, {after[counter]}, {ended[counter]} counted")
        # Nothing was lost while nothing was sent, so these are equal.
        for counter, found in (("packets_lost", len(trace.losses())),
                               ("packets_spuriously_lost", len(trace.of("dx:packet_spuriously_lost")))):
            figures[counter] = found
            check(before[counter] == begun[counter] and after[counter] == ended[counter], f"{counter} moved in silence")
            check(found == after[counter] - begun[counter], f"{counter}: {found} in the trace, {after[counter] - begun[counter]} counted")
        check(figures["packets_lost"] > 10, "the link lost nothing")
        sent = set(trace.packets("transport:packet_sent"))
        lost = {(event["group_id"], event["data"]["header"]["packet_number"]) for event in trace.losses()}
        # Of what was on the way when it began only the end is told.
        check(lost <= sent, f"lost without having been sent: {sorted(lost - sent)[:5]}")
        unknown = {each for each in trace.acknowledged() if each[1] >= min(number for path, number in sent if path == each[0])} - sent
        skipped = len(unknown)
        check(not unknown, f"{skipped} acknowledged that were never sent: {sorted(unknown)[:5]}")
        # The picture of the window ends where `status` stands.
        windows = trace.series("congestion_window")
        check(windows and windows[-1][1] == last["window"], f"the window ends at {windows[-1:]}, not {last['window']}")
        check(len({value for _, value in windows}) > 10, "the window hardly moved")
        smallest = min(value for _, value in trace.series("min_rtt"))
        # 20 ms each way, less 2 ms of jitter.
        check(36 <= smallest < 100, f"a round trip of {smallest} ms over a link of 40")
        raw = tracing.path.read_bytes()
        for text in (SECRET, SECRET.hex().encode(), b"192.0.2.", two.a.id.encode(), two.b.id.encode()):
            check(text not in raw, f"{text!r} is in the trace")
        check(trace.of("dx:trace_ended") == [] or trace.events[-1]["name"] == "dx:trace_ended", "something comes after the end")
        plot(run, trace)
        run.note(events=len(trace.events), bytes=len(raw), **figures)
        return f"{len(trace.events)} events, {figures['packets_sent']} sent, {figures['packets_lost']} lost"


def wait_written(tracing, gateway):
    """Until the trace has what the gateway has measured by now; the counters."""
    found = []

    def written():
        found.append(counters(gateway))
        tail = tracing.path.read_text()
        value = tail.rfind('"congestion_window":')
        number = tail[value + len('"congestion_window":'):].split(",")[0].split("}")[0]
        return number == str(found[-1]["window"])
    wait_until(written, "the trace has the last window", 60.0, alive=[tracing.process])
    return found[-1]


def plot(run, trace):
    """The window over time, for whoever keeps the directory (--keep)."""
    lines = [f"{time:.3f} {value}" for time, value in trace.series("congestion_window")]
    (run.directory / "window.txt").write_text("\n".join(lines) + "\n")


@test(cells=("impaired",), seconds=600.0)
def traces_of_both_ends_agree(run):
    """Two traces of one channel: what one end received the other had sent, and the packets between are those that the link lost"""
    tunnel = Tunnel("bulk", run.port(), run.port())
    with Pair(run.lab, run.directory / "pair", [tunnel]) as two, Server(run.lab, "b", int(tunnel.target.split(":")[1]), take):
        with two.connect(tunnel, 300.0) as connection:
            first = Tracing(run, two.a, two.b.name, "--addresses", name="a")
            second = Tracing(run, two.b, two.a.name, name="b")
            upload(connection, 2_000_000)
            quiet(two.a)
            quiet(two.b)
            # Both have everything when both have told of a ping's packets.
            command("ping", two.b.name, "--control", two.a.control)
        ends = first.end(), second.end()
        check({end.head["trace"]["vantage_point"]["type"] for end in ends} == {"client", "server"}, "each end is another")
        figures = []
        for own, other in (ends, ends[::-1]):
            sent, received = set(own.packets("transport:packet_sent")), set(other.packets("transport:packet_received"))
            low = max(min(number for _, number in sent), min(number for _, number in received))
            high = max(number for _, number in received)
            between = {each for each in sent if low <= each[1] <= high}
            # The traces do not begin and end at one moment.
            last = max(number for _, number in sent)
            early = {each for each in received if low <= each[1] <= last} - sent
            check(not early, f"received without having been sent: {sorted(early)[:5]}")
            lost = {(event["group_id"], event["data"]["header"]["packet_number"]) for event in own.of("recovery:packet_lost")}
            missing = between - received
            # What arrived late was thought lost; what says that it is lost and never arrived was lost.
            spurious = set(own.packets("dx:packet_spuriously_lost"))
            check(lost - spurious <= missing | {each for each in lost if each not in between},
                  f"lost and yet received: {sorted(lost - spurious - missing)[:5]}")
            figures.append(len(missing))
        check(figures[0] > 0, "the link lost nothing")
        started = ends[0].of("connectivity:connection_started")
        check([(each["data"]["src_ip"], each["data"]["dst_ip"], each["data"]["dst_port"]) for each in started]
              == [("192.0.2.1", "192.0.2.2", 7700)], f"{started}")
        check(b"192.0.2." not in second.path.read_bytes(), "addresses without --addresses")
        return f"{figures[0]} and {figures[1]} packets lost on the way"


@test(cells=("clean",), seconds=600.0)
def a_slow_reader_costs_little(run):
    """Whoever asks for a trace and hardly reads it has events left out, which the trace says; the gateway's memory stays"""
    tunnel = Tunnel("bulk", run.port(), run.port())
    with Pair(run.lab, run.directory / "pair", [tunnel]) as two, Server(run.lab, "b", int(tunnel.target.split(":")[1]), take):
        with two.connect(tunnel, 300.0) as connection:
            upload(connection, 50_000_000)
            memory = two.a.process.memory()
            client = UnixConnection(two.a.control, 300.0)
            client.request("GET", f"/v1/peers/{two.b.name}/trace?seconds=3600")
            answer = client.getresponse()
            check(answer.status == 200 and answer.headers["Content-Type"] == "application/qlog+json-seq", f"{answer.status}")
            head = answer.readline()
            sent = counters(two.a)["packets_sent"]
            # One who takes nothing at all is sent away after 30 s. What is read here, what the socket holds and what the channel's log
            # holds (32,768) are together two thirds of this, whatever the size of a packet is.
            path, lines = run.directory / "late.sqlog", [head]
            while counters(two.a)["packets_sent"] - sent < 100_000:
                upload(connection, 50_000_000)
                lines += [answer.readline() for _ in range(1_000)]
            grown = two.a.process.memory() - memory
            check(grown < 48 << 20, f"the gateway has grown by {grown >> 20} MiB")
            # On a busy machine it may be among what was read meanwhile.
            is_said = any(b'"dx:records_lost"' in line for line in lines)
            while not is_said:
                lines.append(answer.readline())
                check(lines[-1], "the trace ended, and nothing was said to be missing")
                is_said = b'"dx:records_lost"' in lines[-1]
            path.write_bytes(b"".join(lines))
            client.close()
            trace = qlog.read(path)
            lost = trace.of("dx:records_lost")[0]["data"]["count"]
            # Its place is free as soon as the connection is gone.
            wait_until(lambda: command("trace", two.b.name, "--seconds", "1", "--out", run.directory / "next.sqlog", "--force",
                                       "--control", two.a.control, ok=False).returncode == 0, "another trace", 60.0)
            run.note(grown_mib=grown >> 20, kept=len(trace.events), lost=lost)
            return f"{len(trace.events)} events kept, {lost} left out, {grown >> 20} MiB"


@test(cells=("clean",))
def traces_end_and_are_refused(run):
    """The end of the channel ends a trace, the end of the gateway cuts one, and both leave valid files; what cannot be traced is refused"""
    tunnel = Tunnel("web", run.port(), run.port())
    with Pair(run.lab, run.directory / "pair", [tunnel]) as two, Server(run.lab, "b", int(tunnel.target.split(":")[1]), echo):
        control = ["--control", two.a.control]
        here = run.directory / "none.sqlog"
        unknown = command("trace", "nobody", "--out", here, *control, ok=False)
        check(unknown.returncode == 1 and "dxgateway peers" in unknown.stderr and not here.exists(), unknown.stderr)
        first = Tracing(run, two.a, two.b.name, name="first")
        second = command("trace", two.b.name, "--out", here, *control, ok=False)
        check(second.returncode == 1 and "traced already" in second.stderr and not here.exists(), second.stderr)
        for query in ("seconds=0", "seconds=3601", "seconds=x", "addresses=maybe"):
            client = UnixConnection(two.a.control)
            client.request("GET", f"/v1/peers/{two.b.name}/trace?{query}")
            answer = client.getresponse()
            check(answer.status == 400 and json.loads(answer.read())["error"]["code"] == "bad_request", f"{query}: {answer.status}")
        with two.connect(tunnel) as connection:
            echo_works(connection)
        two.b.stop()
        check(first.process.wait(60.0) == 0, f"{first.process.ending()}: {first.process.output()}")
        check(f"the channel to {two.b.name} ended" in first.process.output(), first.process.output())
        trace = qlog.read(first.path)
        check(trace.events[-1]["data"] == {"reason": "channel"}, f"{trace.events[-1]}")
        closed = trace.of("connectivity:connection_closed")
        check([(each["data"]["owner"], each["data"]["dx_code"]) for each in closed] == [("remote", "shutdown")], f"{closed}")
        gone = command("trace", two.b.name, "--out", here, *control, ok=False)
        check(gone.returncode == 1 and "not connected" in gone.stderr and not here.exists(), gone.stderr)
        two.b.start()
        wait_until(lambda: two.a.status()["peers"][0]["state"] == "connected", "they are connected", 60.0)
        cut = Tracing(run, two.a, two.b.name, name="cut")
        with two.connect(tunnel) as connection:
            echo_works(connection)
        wait_until(lambda: b"transport:packet_sent" in pathlib.Path(cut.path).read_bytes(), "packets are told", 60.0, alive=[cut.process])
        two.a.kill9()
        check(cut.process.wait(60.0) == 3, f"{cut.process.ending()}: {cut.process.output()}")
        check(qlog.read(cut.path).events, "no events")
        two.a.start()
        two.wait_ready()
        return "one ended, one was cut"
