"""How long it takes until there is a session; figures only."""

import time

from .events import LINK, STRICT, told
from .matrix import bring_up, cold_start
from .plan import cell, rounds

# A matchmaker introduces one pair eight times a minute each way (docs/matchmaking.md §4.1), and an introduction may be made more than
# once; restarted more often, that limit is measured.
MOST_A_MINUTE = 2


def introduction(run, group):
    """Both NATs strict, one gateway registered, the other one just so: from its registration on to the session.

    Each time the other gateway is new and its NAT has forgotten it, so both NATs must be opened.
    """
    pair, _ = bring_up(run, group)
    pair.wait_connected()
    for who in "ab":
        pair.wait_log(who, "the network was looked at")
    seconds, starts = [], [time.monotonic()]
    for _ in range(rounds(run, 4, 100)):
        if len(starts) >= MOST_A_MINUTE:
            time.sleep(max(0.0, starts[-MOST_A_MINUTE] + 61.0 - time.monotonic()))
        pair.stop("b")
        run.lab.nat_command("rb", "reboot")
        since = pair.start("b")
        starts.append(time.monotonic())
        connected = max(pair.wait_log(who, "peer connected", since).time for who in "ab")
        seconds.append(connected - pair.wait_log("b", "registered with a matchmaker", since).time)
    return told(run, seconds, "from the registration to the session at both ends")


def cold_starts(run, group):
    """Both gateways start with nothing but their group's state, both NATs strict and new: to the first byte through a tunnel."""
    seconds = [cold_start(run, group, number)[0] for number in range(rounds(run, 3, 50))]
    return told(run, seconds, "from the start of the later process to its first byte")


cell("times", "introduction", STRICT, introduction, introduction.__doc__, 300.0, LINK)
cell("times", "cold-start", STRICT, cold_starts, cold_starts.__doc__, 180.0, LINK)
