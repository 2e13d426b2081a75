"""What happens while two gateways are connected: matchmakers die, NATs forget, everything restarts."""

import socket
import time

from harness.data import echo
from harness.lab import check, wait_until

from .matrix import bring_up
from .members import DOWN, OTHER, Pair, carry
from .networks import MATCHMAKERS, PUBLIC
from .plan import cell, rounds

# 20 ms each way on both access links: a round trip of 80 ms. The rate makes a transfer last.
ROUND_TRIP = 0.08
LINK = "delay=20"
PACED = "delay=20,rate=20"
RATE = 2_500_000
STRICT = "nat-portrestricted-portrestricted"
# Seconds' worth of bytes between two reboots of a NAT: a matchmaker introduces a pair four times a minute, of both sides together, eight
# at once. Sooner, what is measured is how long a NAT that forgets without end is waited for.
APART = 30


class Stream:
    """Bytes that come through a tunnel, each compared, and how long there were none."""

    def __init__(self, connection, count):
        self.connection, self.count, self.at, self.last = connection, count, 0, time.monotonic()
        self.longest = 0.0
        connection.sendall(count.to_bytes(8, "big"))

    def receive(self, count):
        """Receives up to byte `count` of the whole; returns the longest silence meanwhile, in seconds."""
        longest = 0.0
        while self.at < count:
            part = self.connection.recv(min(65536, count - self.at))
            now = time.monotonic()
            check(part, f"the connection ended at byte {self.at} of {self.count}")
            check(part == DOWN.at(self.at, len(part)), f"wrong bytes at {self.at}")
            longest = max(longest, now - self.last)
            self.at += len(part)
            self.last = now
        return longest


def rebinding(run, group, routers):
    """A NAT forgets everything in the middle of a transfer: how long nothing came, and that the connection is whole."""
    pair, _ = bring_up(run, group)
    stalls = []
    with pair.targets(), pair.connect("a") as connection:
        pair.wait_log("a", "the network was looked at")
        pair.wait_log("b", "the network was looked at")
        reboots = routers * rounds(run, 1, 10)
        # The first few are free.
        apart = APART if len(reboots) > 4 else 6
        stream = Stream(connection, (1 + len(reboots) * apart) * RATE)
        quiet = stream.receive(RATE)
        for router in reboots:
            run.lab.nat_command(router, "reboot")
            # What was on its way still comes; the silence begins after it.
            stalls.append(stream.receive(stream.at + apart * RATE))
        check(stream.at == stream.count, "not all came")
    pair.check_alive()
    return told(run, stalls, f"longest silence before {quiet:.2f} s")


def told(run, seconds, more=""):
    """Figures of several measurements, in words; nothing is judged by them here."""
    ordered = sorted(seconds)
    middle, worst = ordered[len(ordered) // 2], ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]
    run.note(seconds=[round(each, 3) for each in seconds], p50_s=round(middle, 3), p99_s=round(worst, 3),
             goal_s=round(1 + 4 * ROUND_TRIP, 2))
    each = ", ".join(f"{value:.2f}" for value in seconds[:12])
    return f"p50 {middle:.2f} s, p99 {worst:.2f} s of {len(seconds)} (goal {1 + 4 * ROUND_TRIP:.2f}): {each}{'; ' + more if more else ''}"


def idle_rebinding(run, group, router, typist):
    """A NAT forgets everything while a connection is idle, then somebody types: how long the echo takes."""
    pair, _ = bring_up(run, group)
    waits = []
    with pair.targets("ab", echo):
        with pair.connect(typist, hello=b"k") as connection:
            for who in "ab":
                pair.wait_log(who, "the network was looked at")
            # A gateway that has just registered, and says nothing else, is found again with its next keepalive: 20 s.
            connection.settimeout(60.0)
            usual = keystroke(connection)
            for _ in range(rounds(run, 2, 10)):
                run.lab.nat_command(router, "reboot")
                waits.append(keystroke(connection))
                usual = max(usual, keystroke(connection))
    pair.check_alive()
    return told(run, waits, f"usually {usual:.2f} s")


def keystroke(connection):
    began = time.monotonic()
    connection.sendall(b"k")
    check(connection.recv(1) == b"k", "the connection ended")
    return time.monotonic() - began


def matchmakers_die(run, group):
    """Both matchmakers are killed during a transfer: the session stays the same, and no byte is late."""
    pair = Pair(run, group)
    for name in MATCHMAKERS:
        pair.start_matchmaker(name)
    for who in "ab":
        pair.start(who)
    with pair.targets(), pair.connect("a") as connection:
        stream = Stream(connection, 8 * RATE)
        quiet = stream.receive(2 * RATE)
        since = [pair.connected(who)["since"] for who in "ab"]
        silences = []
        for name, process in pair.matchmakers.items():
            process.kill9()
            silences.append(stream.receive(stream.at + 3 * RATE))
        check([pair.connected(who)["since"] for who in "ab"] == since, "the session is another one")
    pair.check_alive()
    run.note(before_s=round(quiet, 3), after_s=[round(each, 3) for each in silences])
    return f"longest silence before {quiet:.2f} s, after each death {', '.join(f'{each:.2f} s' for each in silences)}"


def one_suffices(run, group):
    """Of two matchmakers the first was never there."""
    pair = Pair(run, group)
    pair.start_matchmaker("m2")
    started = pair.start("b")
    started = pair.start("a")
    with pair.targets(), pair.connect("a") as connection:
        first_byte = time.time() - started
        carry(connection, 1_000_000)
    run.note(first_byte_s=round(first_byte, 3))
    return f"first byte after {first_byte:.2f} s"


def matchmaker_restarts(run, group):
    """The only matchmaker is killed and comes back with nothing registered, then a NAT forgets: they find each other by it."""
    pair, _ = bring_up(run, group)
    with pair.targets(), pair.connect("a") as connection:
        carry(connection, 100_000)
        pair.matchmakers["m1"].kill9()
        pair.start_matchmaker("m1")
        run.lab.nat_command("ra", "reboot")
        began = time.monotonic()
        carry(connection, 100_000)
        took = time.monotonic() - began
    pair.check_alive()
    run.note(seconds=round(took, 3))
    return f"bytes again after {took:.2f} s"


def remembers(pair, who):
    """Whether a gateway has the other's outside address on its disk."""
    path = pair.state(who) / "reach.state"
    return path.exists() and socket.inet_aton(PUBLIC[OTHER[who]]) in path.read_bytes()


def all_restart_alone(run, group):
    """Both gateways lose power, and no matchmaker is there any more: they find each other by what they know."""
    pair, _ = bring_up(run, group)
    with pair.targets():
        with pair.connect("a") as connection:
            carry(connection, 100_000)
        # Neighbours need no memory, others that of where they met, which is on the disk half a minute after it changed.
        if not pair.lab.topology.endswith("hairpin"):
            wait_until(lambda: all(remembers(pair, who) for who in "ab"), "both remember where the other is", 90.0,
                       alive=pair.gateways.values())
        pair.matchmakers["m1"].kill9()
        for who in "ab":
            pair.kill9(who)
        for who in "ba":
            started = pair.start(who)
        with pair.connect("a", 60.0) as connection:
            took = time.time() - started
            carry(connection, 1_000_000)
    run.note(first_byte_s=round(took, 3))
    return f"first byte {took:.2f} s after the restart"


cell("events", "rebinding-transfer", STRICT, lambda run, group: rebinding(run, group, ["ra", "rb"]), rebinding.__doc__,
     300.0, PACED)
for router, typist in (("ra", "a"), ("ra", "b")):
    cell("events", f"rebinding-idle-{'near' if router[1] == typist else 'far'}", STRICT,
         lambda run, group, router=router, typist=typist: idle_rebinding(run, group, router, typist),
         idle_rebinding.__doc__, 180.0, LINK)
cell("events", "matchmakers-die", STRICT, matchmakers_die, matchmakers_die.__doc__, 180.0, PACED)
cell("variants", "one-matchmaker-suffices", STRICT, one_suffices, one_suffices.__doc__)
cell("variants", "matchmaker-restarts", STRICT, matchmaker_restarts, matchmaker_restarts.__doc__)
for kinds in ("none-portrestricted", "cone-restricted", "portrestricted-portrestricted", "linux-linux"):
    cell("variants", f"restart-without-matchmakers-{kinds}", f"nat-{kinds}", all_restart_alone, all_restart_alone.__doc__,
         only_full=kinds in ("cone-restricted", "linux-linux"))
for kind in ("hairpin", "nohairpin"):
    cell("variants", f"restart-without-matchmakers-{kind}", f"nat-{kind}", all_restart_alone, all_restart_alone.__doc__)
