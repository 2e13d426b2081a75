"""Every kind of network with every other: what theory allows goes directly, what it forbids says why."""

import time

from harness.lab import check, wait_until

from . import plan
from .members import Pair, carry, way_of
from .networks import GUESSED, IMPOSSIBLE, KINDS, MATCHMAKERS, PUBLIC, theory
from .plan import cell
from .traffic import Traffic

# What matchmakers may hear and say for a pair in a test, all of it: keys, registrations, the NAT's behaviour, introductions.
MATCHMAKER_BYTES = 256 << 10
NO_WAY = "no direct way to a peer was found"
# An introduction that guessed and found nothing.
NOT_GUESSED = "the outside port was not guessed"
MOST_GUESSES = 3


def size(run):
    return 100_000_000 if run.full else 5_000_000


def matchmakers():
    return {address for pair in MATCHMAKERS.values() for address in pair}


def check_direct(traffic, before, count, ways=(PUBLIC["a"], PUBLIC["b"])):
    """All that the tunnels carried went between these two addresses, and not by a matchmaker; returns the bytes each way."""
    flows = traffic.flows()
    carried = check_carried(flows, before, count, ways)
    check_blind(flows, count)
    return carried


def check_carried(flows, before, count, ways=(PUBLIC["a"], PUBLIC["b"])):
    """As many bytes went each way between these two addresses; returns how many."""
    def passed(sources, destinations):
        return sum(now - before.get(key, (0, 0))[1] for key, (_, now) in flows.items()
                   if key[0] in sources and key[1] in destinations)
    there, back = passed({ways[0]}, {ways[1]}), passed({ways[1]}, {ways[0]})
    check(there >= count and back >= count, f"of {count} bytes each way {there} and {back} went between {ways[0]} and {ways[1]}")
    return there, back


def check_blind(flows, count=0):
    """Matchmakers heard no more than introductions take."""
    servers = matchmakers()
    heard = sum(now for key, (_, now) in flows.items() if key[0] in servers or key[1] in servers)
    limit = min(MATCHMAKER_BYTES, max(count // 4, 64 << 10))
    check(heard < limit, f"{heard} bytes passed to and from matchmakers")
    return heard


def check_nats(run, pair, first, second, count):
    """The NATs that the lab made carried it too."""
    stats = run.lab.stats()
    for who, kind in (("a", first), ("b", second)):
        nat = stats.get(f"nat-r{who}")
        if nat is None:
            continue        # no NAT, or the kernel's
        packets = count // 1500
        check(nat["out"] > packets and nat["in"] > packets,
              f"the NAT of {who} counts {nat['out']} packets out and {nat['in']} in, fewer than {packets}")


def bring_up(run, group, name="pair"):
    """A pair with one matchmaker, all of it just started; and when the later gateway was."""
    pair = Pair(run, group, name)
    pair.start_matchmaker("m1")
    pair.start("b")
    return pair, pair.start("a")


def cold_start(run, group, number):
    """Everything anew, and all NATs have forgotten everything: (seconds to the first byte, introductions that guessed)."""
    run.lab.stop_all()
    for nat in run.lab.nats():
        run.lab.nat_command(nat, "reboot")
    pair, started = bring_up(run, group, f"pair-{number}")
    with pair.targets("b"), pair.connect("a"):
        first_byte = time.time() - started
    return first_byte, 1 + len(pair.log("a", NOT_GUESSED))


def cold_starts(run, group, way, first):
    """More cold starts, in a whole run: what `cold_start` tells of each and of the first one."""
    found = [first]
    for number in range(1, plan.TRIES or (10 if run.full else 1)):
        found.append(cold_start(run, group, number))
    guesses = [count for _, count in found]
    if way == GUESSED:
        check(max(guesses) <= MOST_GUESSES, f"not guessed within {MOST_GUESSES} introductions: {guesses}")
        run.note(guesses=guesses)
    run.note(first_bytes_s=[round(seconds, 3) for seconds, _ in found])
    return found


def percentile(values, of_hundred):
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * of_hundred // 100) - 1)]


def reachable(run, group, first, second):
    """A cell where a way exists: the first byte, bytes both ways, and where they went."""
    traffic = Traffic(run.lab)
    pair, started = bring_up(run, group)
    with pair.targets():
        connection = pair.connect("a")
        first_byte = time.time() - started
        peer = pair.connected("a")
        tries, guesses = 1 + len(pair.log("a", NO_WAY)), 1 + len(pair.log("a", NOT_GUESSED))
        before = traffic.flows()
        with connection:
            began = time.monotonic()
            carry(connection, size(run))
            took = time.monotonic() - began
        with pair.connect("b") as other:
            carry(other, 100_000)
    there, back = check_direct(traffic, before, size(run))
    check_nats(run, pair, first, second, size(run))
    check(peer is None or way_of(peer) == PUBLIC["b"], f"a says that it reaches b at {peer and peer['remote_address']}")
    pair.check_alive()
    way = theory(first, second).way
    starts = [seconds for seconds, _ in cold_starts(run, group, way, (first_byte, guesses))]
    run.note(first=first, second=second, way=way, first_byte_s=round(percentile(starts, 50), 3), introductions=tries,
             mbit_s=round(16e-6 * size(run) / took, 1), bytes=[there, back])
    times = f"{first_byte:.2f} s" if len(starts) == 1 else \
        f"{percentile(starts, 50):.2f} s (p99 of {len(starts)}: {percentile(starts, 99):.2f} s)"
    return f"first byte after {times}{f', introduction {tries}' if tries > 1 else ''}; " \
           f"{size(run) / 1e6:g} MB each way, {there / 1e6:.1f} and {back / 1e6:.1f} MB between {PUBLIC['a']} and {PUBLIC['b']}"


def unreachable(run, group, first, second, reasons=None, topology=None):
    """A cell where none exists: both gateways say so, and why, and send nothing more than checks."""
    reasons = reasons or theory(first, second).reasons
    traffic = Traffic(run.lab)
    pair, started = bring_up(run, group)
    said = {}

    def told():
        for who, wanted in zip("ab", reasons):
            peer = pair.peer(who)
            text = peer.get("last_error", "") if peer else ""
            check(peer is None or peer["state"] != "connected", f"{who} is connected, whatever theory says")
            if who not in said and any(word in text for word in wanted):
                said[who] = (text, time.time() - started)
        return len(said) == 2
    try:
        wait_until(told, "both gateways say why there is no way", 60.0, alive=pair.gateways.values())
    except AssertionError as failure:
        problem = {who: (pair.peer(who) or {}).get("last_error") for who in "ab"}
        raise type(failure)(f"{failure}; they say {problem}") from None
    check_blind(traffic.flows())
    pair.check_alive()
    slowest = max(seconds for _, seconds in said.values())
    run.note(first=first, second=second, way=IMPOSSIBLE, said_after_s=round(slowest, 2),
             reasons=[said[who][0] for who in "ab"])
    return f"said after {said['a'][1]:.1f} and {said['b'][1]:.1f} s: {said['a'][0]}"


def add_cells():
    for first in KINDS:
        for second in KINDS:
            wanted = theory(first, second).way
            body = unreachable if wanted == IMPOSSIBLE else reachable
            cell("matrix", f"{first}-{second}", f"nat-{first}-{second}",
                 lambda run, group, body=body, pair=(first, second): body(run, group, *pair),
                 f"{wanted}: {first} with {second}", seconds=240.0)


add_cells()
