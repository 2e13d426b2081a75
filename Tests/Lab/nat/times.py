"""How long it takes until there is a session; figures only."""

import time

from .events import LINK, STRICT, told
from .matrix import bring_up
from .members import Pair, carry
from .plan import cell


def introduction(run, group):
    """Both NATs strict, one gateway registered, the other one just so: from its registration on to the session.

    Each time the other gateway is new and its NAT has forgotten it, so both NATs must be opened.
    """
    pair, _ = bring_up(run, group)
    pair.wait_connected()
    for who in "ab":
        pair.wait_log(who, "the network was looked at")
    seconds = []
    for _ in range(100 if run.full else 4):
        pair.stop("b")
        run.lab.nat_command("rb", "reboot")
        since = pair.start("b")
        connected = max(pair.wait_log(who, "peer connected", since).time for who in "ab")
        seconds.append(connected - pair.wait_log("b", "registered with a matchmaker", since).time)
    return told(run, seconds, "from the registration to the session at both ends")


def cold_start(run, group):
    """Both gateways start with nothing but their group's state, both NATs strict and new: to the first byte through a tunnel."""
    seconds = []
    for number in range(50 if run.full else 3):
        for router in ("ra", "rb"):
            run.lab.nat_command(router, "reboot")
        pair = Pair(run, group, f"pair-{number}")
        pair.start_matchmaker("m1")
        pair.start("b")
        started = pair.start("a")
        with pair.targets("b"), pair.connect("a") as connection:
            seconds.append(time.time() - started)
            carry(connection, 1_000)
        run.lab.stop_all()
    return told(run, seconds, "from the start of the later process to its first byte")


cell("times", "introduction", STRICT, introduction, introduction.__doc__, 180.0, LINK)
cell("times", "cold-start", STRICT, cold_start, cold_start.__doc__, 180.0, LINK)
