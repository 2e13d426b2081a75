"""Two networks between two gateways: one is cut while bytes flow, again and again, and no connection breaks."""

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


def wait_paths(gateway, count=2):
    """Until so many paths answer."""
    def answering():
        paths = paths_of(gateway)
        return paths if sum(each["state"] != "down" for each in paths) >= count else None
    return wait_until(answering, f"{count} paths answer at {gateway.name}", 120.0)[0]


def link_in_use(gateway):
    """The emulated link that the path in use leads over."""
    used = [each for each in paths_of(gateway) if each["state"] == "used"]
    check(len(used) == 1, f"paths in use: {used}")
    return LINK[used[0]["remote"].rsplit(".", 1)[0]]


def cut_again_and_again(run, mode, whose):
    """Cut the path that one end uses at random moments; all flows go on."""
    lab, rounds = run.lab, []
    chance = random.Random(7)
    count = run.runs or (100 if run.full else 6)
    with Traffic(run, address=BOTH, extra=f"multipath: {mode}\n", rate=1_000_000) as traffic:
        for gateway in (traffic.pair.a, traffic.pair.b):
            wait_paths(gateway)
        for _ in range(count):
            time.sleep(chance.uniform(0.2, 1.0))
            link = link_in_use(getattr(traffic.pair, whose))
            since = time.monotonic()
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
    worst = sorted(max(each.values()) for each in rounds)
    words = sorted(each["words"] for each in rounds)
    run.note(silences=rounds)
    p99 = worst[min(len(worst) - 1, int(len(worst) * 0.99))]
    return (f"{count} cuts, no connection broken; silence p50 {statistics.median(worst) * 1000:.0f} ms, "
            f"p99 {p99 * 1000:.0f} ms (goal 300), of keystrokes p50 {statistics.median(words) * 1000:.0f} ms")


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


@test(topology="multipath", cells=("clean",))
def two_links_add_up(run):
    """The same bytes over one link, and over two of the same rate at once."""
    lab = run.lab
    for link in ("eth", "lte"):
        lab.link_command(link, "delay 10,rate 50")
    lab.at_end(lambda: [lab.link_command("eth", "delay 5,rate 100"), lab.link_command("lte", "delay 30,rate 20")])
    size, seconds = 60_000_000, {}
    for mode, address in (("off", BOTH[0]), ("aggregate", BOTH)):
        each = Tunnel(f"bulk-{mode}", run.port(), run.port())
        pattern = Pattern(9)

        def serve(connection):
            pattern.send(connection, size)

        with Pair(lab, run.directory / mode, [each], address=address, extra=f"multipath: {mode}\n") as pair, \
                Server(lab, "b", target_port(each), serve):
            if mode != "off":
                for gateway in (pair.a, pair.b):
                    wait_paths(gateway)
            with pair.connect(each) as client:
                start = time.monotonic()
                pattern.receive(client, size)
                seconds[mode] = time.monotonic() - start
    ratio = seconds["off"] / seconds["aggregate"]
    run.note(seconds=seconds, ratio=ratio)
    return f"{size * 8 / seconds['off'] / 1e6:.0f} and {size * 8 / seconds['aggregate'] / 1e6:.0f} Mbit/s: {ratio:.2f} times as much (goal 1.7)"
