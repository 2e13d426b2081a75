"""Two networks between two gateways: one is cut while bytes flow, again and again, and no connection breaks."""

import math
import random
import statistics
import time

from harness.data import Pattern, Server
from harness.gateway import Pair, Tunnel
from harness.lab import Failure, check, wait_until
from harness.runner import test

from .connections import target_port
from .roaming import Traffic

BOTH = ["203.0.113.2", "198.51.100.2"]
LINK = {"203.0.113": "eth", "198.51.100": "lte"}


def paths_of(gateway):
    """The paths of a gateway's only peer, as its status tells."""
    return gateway.status()["peers"][0].get("paths") or []


def network(address):
    return address.rsplit(".", 1)[0]


def straight(paths):
    """The networks over which a path answers that goes out and comes back by it: of four paths two go out by one and come back by
    the other."""
    return {network(each["local"]) for each in paths
            if network(each["local"]) == network(each["remote"]) and each["state"] != "down"}


def wait_paths(gateway):
    """Until both networks answer, each by itself."""
    wait_until(lambda: straight(paths_of(gateway)) == set(LINK), f"both networks answer at {gateway.name}", 120.0)


def link_in_use(gateway):
    """The emulated link that the path in use leads over."""
    used = [each for each in paths_of(gateway) if each["state"] == "used"]
    check(len(used) == 1, f"paths in use: {used}")
    return LINK[network(used[0]["remote"])]


def round_trip(pair, link):
    """The smoothed round trip over a link, with the queue that the traffic makes there, as the end sees it that sees the longer one."""
    return max((each.get("rtt_us", 0) / 1e6 for gateway in (pair.a, pair.b) for each in paths_of(gateway)
                if LINK[network(each["local"])] == LINK[network(each["remote"])] == link), default=0.0)


def cut_again_and_again(run, mode, whose):
    """Cut the path that one end uses at random moments; all flows go on. Whole: a hundred times, in a transfer of 1 GB, with a
    hundred talking."""
    lab, rounds, usual, trips = run.lab, [], [], []
    chance = random.Random(7)
    count = run.runs or (100 if run.full else 6)
    size = 1_000_000_000 if run.full else 0
    lab.at_end(lambda: [lab.link_command(link, "up") for link in LINK.values()])
    with Traffic(run, address=BOTH, extra=f"multipath: {mode}\n", rate=1_000_000,
                 down_rate=8_000_000 if run.full else None, talkers=100 if run.full else 1) as traffic:
        for gateway in (traffic.pair.a, traffic.pair.b):
            wait_paths(gateway)
        while len(rounds) < count or traffic.received < size:
            # What programs and machine make of a second in which nothing is cut, beside what they make of a cut.
            quiet = time.monotonic()
            time.sleep(chance.uniform(0.2, 1.0))
            link = link_in_use(getattr(traffic.pair, whose))
            trips.append(round_trip(traffic.pair, link))
            since = time.monotonic()
            usual.append(max(traffic.silences(quiet, quiet).values()))
            lab.link_command(link, "down")
            try:
                traffic.flow_on(time.monotonic())
            except Failure as failure:
                paths = {gateway.name: paths_of(gateway) for gateway in (traffic.pair.a, traffic.pair.b)}
                raise Failure(f"{failure}, with {link} cut; paths: {paths}") from failure
            rounds.append(traffic.silences(since, since))
            lab.link_command(link, "up")
            for gateway in (traffic.pair.a, traffic.pair.b):
                wait_paths(gateway)
        moved = traffic.received
    worst = [max(each.values()) for each in rounds]
    late = sum(each > max(0.3, 3 * trip) for each, trip in zip(worst, trips))
    words = sorted(each["words"] for each in rounds)
    run.note(silences=rounds, usual=usual, round_trips=trips, bytes=moved)

    def p99(of):
        return sorted(of)[math.ceil(len(of) * 0.99) - 1] * 1000
    return (f"{len(rounds)} cuts, {moved / 1e6:.0f} MB down, no connection broken; silence p50 {statistics.median(worst) * 1000:.0f} ms, "
            f"p99 {p99(worst):.0f} ms, {late} longer than 300 ms and three round trips ({p99(usual):.0f} ms without a cut), of keystrokes p50 {statistics.median(words) * 1000:.0f} ms")


@test(topology="multipath", cells=("clean",), seconds=600.0)
def cut_paths_standby(run):
    """The path in use is cut at random moments."""
    return cut_again_and_again(run, "standby", "b")


@test(topology="multipath", cells=("clean",), seconds=600.0)
def cut_paths_redundant(run):
    """The same where interactive streams go over both."""
    return cut_again_and_again(run, "redundant", "a")


@test(topology="multipath", cells=("clean",), seconds=600.0)
def cut_paths_aggregate(run):
    """The same where both carry bulk data."""
    return cut_again_and_again(run, "aggregate", "b")


def fetch(run, size, address, extra):
    """How long that many bytes take through a pair of gateways of its own, and which part of what was sent went over Ethernet."""
    each, pattern = Tunnel("bulk", run.port(), run.port()), Pattern(9)

    def serve(connection):
        pattern.send(connection, size)

    with Pair(run.lab, run.directory / f"dx-{each.listen}", [each], address=address, extra=extra) as pair, \
            Server(run.lab, "b", target_port(each), serve):
        if address == BOTH:
            for gateway in (pair.a, pair.b):
                wait_paths(gateway)
        with pair.connect(each) as client:
            start = time.monotonic()
            pattern.receive(client, size)
            took = time.monotonic() - start
        # The routing table has what is sent leave by the network that it is sent to.
        sent = [(network(each["remote"]), each["bytes_sent"]) for each in paths_of(pair.b)]
        return took, sum(count for to, count in sent if LINK[to] == "eth") / max(1, sum(count for _, count in sent))


def both_beside_one(run, size, **links):
    """The same bytes over Ethernet alone and over both links: the part of Ethernet in that, and how many times as fast it was."""
    for link, settings in links.items():
        run.lab.link_command(link, settings)
    run.lab.at_end(lambda: [run.lab.link_command("eth", "delay 5,rate 100"), run.lab.link_command("lte", "delay 30,rate 20")])
    alone, _ = fetch(run, size, BOTH[0], "multipath: off\n")
    both, part = fetch(run, size, BOTH, "multipath: aggregate\n")
    run.note(alone=alone, both=both, ratio=alone / both, part=part)
    return part, f"{size * 8 / alone / 1e6:.0f} and {size * 8 / both / 1e6:.0f} Mbit/s: {alone / both:.2f} times as much"


@test(topology="multipath", cells=("clean",), seconds=600.0)
def two_links_add_up(run):
    """The same bytes over one link, and over two of the same rate at once."""
    part, words = both_beside_one(run, 60_000_000, eth="delay 10,rate 50", lte="delay 10,rate 50")
    check(0.2 < part < 0.8, f"{part:.2f} of all bytes went over one of two equal links")
    return f"{words} (goal 1.7)"


@test(topology="multipath", cells=("clean",), seconds=600.0)
def a_slow_link_does_no_harm(run):
    """The same bytes over a quick link, and over it and one with a tenth of the rate and a long delay."""
    part, words = both_beside_one(run, 60_000_000, eth="delay 10,rate 50", lte="delay 100,rate 5")
    check(part > 0.8, f"only {part:.2f} of all bytes went over the quick link")
    return f"{words} (goal 0.97)"


@test(topology="multipath", cells=("clean",), seconds=600.0)
def a_metered_path_carries_what_it_must(run):
    """Over a metered link goes next to nothing while there is another; when that is cut, everything."""
    lab = run.lab
    lab.at_end(lambda: lab.link_command("eth", "up"))

    def carried():
        return sum(each["bytes_sent"] for each in paths_of(traffic.pair.b) if each["preference"] == "metered")

    with Traffic(run, address=BOTH, extra='multipath: redundant\npaths: {"lte*": [backup, metered]}\n', rate=1_000_000) as traffic:
        for gateway in (traffic.pair.a, traffic.pair.b):
            wait_paths(gateway)
            named = {network(each["local"]) for each in paths_of(gateway) if each["preference"] == "metered"}
            check("198.51.100" in named, f"metered at {gateway.name}: {named}")
        before, moved = carried(), traffic.received
        wait_until(lambda: traffic.received > moved + 10_000_000, "10 MB come", 120.0)
        idle = carried() - before
        check(idle < 20_000, f"{idle} bytes over the metered path while there was another")
        since, moved = time.monotonic(), traffic.received
        lab.link_command("eth", "down")
        traffic.flow_on(time.monotonic())
        silence = max(traffic.silences(since, since).values())
        wait_until(lambda: traffic.received > moved + 3_000_000, "3 MB come over the metered path", 120.0)
        lab.link_command("eth", "up")
        wait_until(lambda: link_in_use(traffic.pair.b) == "eth", "Ethernet is used again", 120.0)
    run.note(idle_bytes=idle, silence=silence)
    return f"{idle} bytes while 10 MB went over Ethernet; silence {silence * 1000:.0f} ms when that was cut"
