"""A gateway whose only network changes under it, and one that sleeps: no connection breaks."""

import contextlib
import os
import signal
import statistics
import threading
import time

from harness.data import Pattern, Server, receive_exactly
from harness.gateway import Pair, Tunnel, read_ending
from harness.lab import Failure, check, wait_until
from harness.runner import test

from .connections import target_port, tunnel

BLOCK = 1 << 40


class Flow:
    """A connection on which bytes flow, are compared, and whose longest silences are known."""

    def __init__(self, name):
        self.name, self.arrivals, self.problem = name, [], None
        self.waits = []
        self.over = threading.Event()

    def note(self):
        self.arrivals.append(time.monotonic())

    def guard(self, function, *arguments):
        """Run it in a thread; what it raises is kept unless the test is over."""
        def body():
            try:
                function(*arguments)
            except (OSError, Failure) as problem:
                if not self.over.is_set():
                    self.problem = problem
        threading.Thread(target=body, daemon=True).start()

    def check(self):
        check(self.problem is None, f"{self.name}: {self.problem}")

    def silence(self, since, usable):
        """The longest pause, or wait for an answer, that touches what follows `since`, counted from when the network was usable."""
        if self.waits:
            return max((end - max(start, usable) for start, end in self.waits if end >= since), default=0.0)
        return max((end - max(start, usable) for start, end in zip(self.arrivals, self.arrivals[1:]) if end >= since), default=0.0)


def receive(flow, connection, pattern):
    offset = 0
    while not flow.over.is_set():
        pattern.receive(connection, 16384, offset)
        offset += 16384
        flow.note()


def send(flow, connection, pattern, rate):
    """About `rate` bytes a second, so that a slow machine keeps up."""
    offset, start = 0, time.monotonic()
    while not flow.over.is_set():
        pattern.send(connection, 16384, offset)
        offset += 16384
        flow.over.wait(max(0.0, start + offset / rate - time.monotonic()))


def ask(flow, connection, pause):
    """Interactive exchanges with pauses between them; how long each waited is known."""
    count = 0
    while not flow.over.is_set():
        word, asked = count.to_bytes(8, "big"), time.monotonic()
        connection.sendall(word)
        check(receive_exactly(connection, 8) == word, "another word came back")
        flow.note()
        flow.waits.append((asked, flow.arrivals[-1]))
        count += 1
        flow.over.wait(pause)


class Traffic:
    """Connections at once through a pair: one down, one up, and some on which words are echoed."""

    def __init__(self, run, address=None, extra="", rate=3_000_000, down_rate=None, talkers=1):
        self.address, self.extra = address, extra
        self.talkers = [Flow(f"words {number}") for number in range(talkers)]
        self.flows = [Flow("down"), Flow("up"), *self.talkers]
        # Words are what somebody waits for.
        self.tunnels = [
            Tunnel(name, run.port(), run.port(), options={"class": "interactive"} if name == "words" else {})
            for name in ("down", "up", "words")]
        # A hundred who talk without pauses would keep this machine busy by themselves.
        self.pause = 0.01 if talkers == 1 else 0.1
        self.run, self.rate, self.down_rate = run, rate, down_rate or rate

    def __enter__(self):
        lab, (down, up) = self.run.lab, self.flows[:2]
        first, second = Pattern(61), Pattern(62)

        def echo(connection):
            while part := connection.recv(4096):
                connection.sendall(part)

        def quietly(handler):
            def body(connection):
                try:
                    handler(connection)
                except (OSError, Failure) as problem:
                    # When all is over, connections end wherever they are.
                    if not all(flow.over.is_set() for flow in self.flows):
                        raise Failure(f"the target's connection broke: {problem}") from problem
            return body

        self.pair = Pair(lab, self.run.directory / "dx", self.tunnels, address=self.address, extra=self.extra)
        self.servers = [
            Server(lab, "b", target_port(self.tunnels[0]), quietly(lambda c: send(down, c, first, self.down_rate))),
            Server(lab, "b", target_port(self.tunnels[1]), quietly(lambda c: receive(up, c, second))),
            Server(lab, "b", target_port(self.tunnels[2]), quietly(echo))]
        self.pair.__enter__()
        for server in self.servers:
            server.__enter__()
        self.clients = [self.pair.connect(each, 60.0) for each in self.tunnels[:2]]
        self.clients += [self.pair.connect(self.tunnels[2], 60.0) for _ in self.talkers]
        down.guard(receive, down, self.clients[0], first)
        up.guard(send, up, self.clients[1], second, self.rate)
        for flow, client in zip(self.talkers, self.clients[2:]):
            flow.guard(ask, flow, client, self.pause)
        self.flow_on(time.monotonic())
        return self

    def flow_on(self, since):
        """Until each flow has brought something after that, and then as much as half a second brings, and some words."""
        for flow in self.flows:
            wait_until(lambda: flow.problem or (flow.arrivals and flow.arrivals[-1] > since), f"{flow.name} goes on", 90.0)
            flow.check()
        # A word waits for its echo before the next one.
        pieces = [self.down_rate / 32768, self.rate / 32768, *(5 for _ in self.talkers)]
        aims = [len(flow.arrivals) + each for flow, each in zip(self.flows, pieces)]
        for flow, aim in zip(self.flows, aims):
            wait_until(lambda: flow.problem or len(flow.arrivals) >= aim, f"{flow.name} goes on", 90.0)
            flow.check()

    def __exit__(self, kind, *rest):
        for flow in self.flows:
            flow.over.set()
        for client in self.clients:
            client.close()
        for server in self.servers:
            server.__exit__(kind, *rest)
        self.pair.__exit__(kind, *rest)
        if kind is None:
            for flow in self.flows:
                flow.check()

    def silences(self, since, usable):
        """The longest of each kind."""
        silences = {flow.name: flow.silence(since, usable) for flow in self.flows[:2]}
        return {**silences, "words": max(flow.silence(since, usable) for flow in self.talkers)}

    @property
    def received(self):
        """Bytes that came down, at least."""
        return 16384 * len(self.flows[0].arrivals)


def figure(rounds):
    """The silences of all flows in milliseconds, worst flow of each round."""
    worst = sorted(max(each.values()) for each in rounds)
    return f"silence p50 {statistics.median(worst) * 1000:.0f} ms, longest {worst[-1] * 1000:.0f} ms"


def renumber(run, gap, family=4):
    """Change the address of host a's only network again and again while bytes flow."""
    lab, rounds = run.lab, []
    old = "192.0.2.1/24"
    count = 20 if run.full else 8
    lab.at_end(lambda: lab.run("a", ["ip", "-batch", "-"], input="addr flush dev eth0\naddr add 192.0.2.1/24 dev eth0\n"))
    with Traffic(run) as traffic:
        for number in range(count):
            new = f"192.0.2.{101 + number}/24"
            since = time.monotonic()
            if gap:
                lab.run("a", ["ip", "addr", "del", old, "dev", "eth0"])
                time.sleep(gap)
                lab.run("a", ["ip", "addr", "add", new, "dev", "eth0"])
            else:
                lab.run("a", ["ip", "-batch", "-"], input=f"addr del {old} dev eth0\naddr add {new} dev eth0\n")
            usable = time.monotonic()
            traffic.flow_on(usable)
            rounds.append(traffic.silences(since, usable))
            old = new
        remote = traffic.pair.b.status()["peers"][0]["remote_address"]
        check(remote.startswith(old.split("/")[0] + ":"), f"the peer is said to be at {remote}, not {old}")
    run.note(silences=rounds)
    return f"{count} addresses, no connection broken; {figure(rounds)}"


@test()
def another_address(run):
    """The only interface gets another address (a DHCP server's wish) while bytes flow, again and again."""
    return renumber(run, gap=0)


@test()
def no_address_for_a_while(run):
    """The only interface has no address for two seconds, then another one (another Wi-Fi)."""
    return renumber(run, gap=2.0)


@test(topology="multipath", cells=("clean",))
def cable_pulled(run):
    """Ethernet goes away; the traffic goes on over the other interface, and when the cable is back."""
    lab, rounds = run.lab, []
    peer = "203.0.113.2"
    # The peer's address on Ethernet is reached over the modem, too, which is worse.
    lab.run("a", ["ip", "route", "add", f"{peer}/32", "dev", "eth0", "metric", "100"])
    lab.run("a", ["ip", "route", "add", f"{peer}/32", "dev", "lte0", "metric", "500"])
    lab.at_end(lambda: lab.run("a", ["ip", "route", "flush", f"{peer}/32"], ok=False))
    with Traffic(run, address=peer) as traffic:
        since = time.monotonic()
        lab.run("a", ["ip", "link", "set", "eth0", "down"])
        usable = time.monotonic()
        traffic.flow_on(usable)
        rounds.append(traffic.silences(since, usable))
        remote = traffic.pair.b.status()["peers"][0]["remote_address"]
        check(remote.startswith("198.51.100.1:"), f"the peer is said to be at {remote}, not at the modem")
        since = time.monotonic()
        lab.run("a", ["ip", "link", "set", "eth0", "up"])
        traffic.flow_on(time.monotonic())
        rounds.append(traffic.silences(since, since))
    run.note(silences=rounds)
    return "{:.0f} ms of silence, {:.0f} ms when it is back".format(*(max(each.values()) * 1000 for each in rounds))


@test(cells=("clean",))
def asleep(run):
    """The gateway's process stands still for half a minute, as when a device sleeps: its connections go on."""
    seconds, rounds = 30.0, []
    with Traffic(run) as traffic:
        for _ in range(2):
            process = traffic.pair.a.process.popen
            since = time.monotonic()
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(process.pid, signal.SIGCONT)
            usable = time.monotonic()
            traffic.flow_on(usable)
            rounds.append(traffic.silences(since, usable))
    run.note(silences=rounds)
    return f"{seconds:g} s asleep, no connection broken; {figure(rounds)}"


@test(cells=("clean",), seconds=400.0)
def asleep_too_long(run):
    """Asleep for longer than the peer waits: old connections end, and new ones work at once."""
    each = tunnel(run)

    def echo(connection):
        try:
            while part := connection.recv(4096):
                connection.sendall(part)
        except OSError:
            pass

    def works(connection):
        connection.sendall(b"hello")
        return receive_exactly(connection, 5) == b"hello"

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), echo):
        with pair.connect(each) as client:
            check(works(client), "no echo before")
            os.kill(pair.a.process.popen.pid, signal.SIGSTOP)
            wait_until(lambda: pair.b.status()["peers"][0]["state"] != "connected", "the peer gives it up", 120.0)
            os.kill(pair.a.process.popen.pid, signal.SIGCONT)
            start = time.monotonic()
            pair.wait_working(each, works)
            seconds = time.monotonic() - start
    run.note(working_seconds=seconds)
    return f"new connections work {seconds * 1000:.0f} ms after waking up"


@test(cells=("clean",), seconds=400.0)
def asleep_held(run):
    """Asleep for many times `liveness`, an hour when whole: connections of a tunnel with `hold` go on, those beside them end."""
    seconds, pattern = 3600.0 if run.full else 40.0, Pattern(63)
    held, brief = tunnel(run, "held"), tunnel(run, "brief")
    held.options["hold"] = "2h"
    meanwhile = 100_000
    written = threading.Event()

    def serve(connection):
        """What is sent while the device sleeps, and then echoes."""
        check(receive_exactly(connection, 4) == b"when", "another word came")
        connection.sendall(b"soon")
        connection.settimeout(None)         # an hour may go by
        written.wait(60.0)
        pattern.send(connection, meanwhile)
        while part := connection.recv(4096):
            connection.sendall(part)

    def echo(connection):
        with contextlib.suppress(OSError):
            while part := connection.recv(4096):
                connection.sendall(part)

    def works(connection, word=b"hello"):
        connection.sendall(word)
        return receive_exactly(connection, len(word)) == word

    with (Pair(run.lab, run.directory / "dx", [held, brief], extra="limits: {liveness: 5s}\n") as pair,
          Server(run.lab, "b", target_port(held), serve), Server(run.lab, "b", target_port(brief), echo),
          pair.connect(held, 120.0) as kept, pair.connect(brief, 120.0) as ended):
        kept.sendall(b"when")
        check(receive_exactly(kept, 4) == b"soon" and works(ended), "no answer before")
        process = pair.a.process.popen
        os.kill(process.pid, signal.SIGSTOP)
        try:
            written.set()
            time.sleep(seconds)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        start = time.monotonic()
        pattern.receive(kept, meanwhile)
        came = time.monotonic() - start
        check(works(kept), "no echo after waking up")
        # Its end of the channel was given up, whoever looked first.
        how, got = read_ending(ended, 120.0)
        check(how == "reset" and not got, f"the connection that nobody holds: {how}, {got!r}")
        with pair.connect(brief, 60.0) as anew:
            check(works(anew), "a new connection does not work")
    run.note(asleep_seconds=seconds, resumed_seconds=came)
    return f"{seconds:g} s asleep with `liveness` of 5 s; what was sent meanwhile is there {came * 1000:.0f} ms after waking up"
