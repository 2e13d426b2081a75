"""Two networks between which there is no way, and a member that both reach: it forwards if it was told to, else it does not."""

import contextlib
import json
import os
import time

from harness.gateway import command
from harness.lab import check, wait_until

from .matrix import MATCHMAKER_BYTES
from .members import NAMES, Group, Pair, ask, carry
from .networks import BOTH_HARD, MATCHMAKERS, PUBLIC
from .plan import cell
from .traffic import Traffic

# Where the third member is: a host of the lab's internet with addresses of its own, at which no matchmaker runs here.
HOST, WHERE = "m2", set(MATCHMAKERS["m2"])
SERVED = set(MATCHMAKERS["m1"])
# A pair of members has 10 Mbit/s of a forwarder, unless it is told otherwise.
COUNT = 3_000_000
# Checks, before and while the way is forwarded: nothing that a tunnel carries.
CHECKS = 600_000


@contextlib.contextmanager
def trio(run):
    """The members a and b, and c on a host that both reach; c does not run yet."""
    group = Group(os.environ["LAB_ID"], "abc")
    try:
        yield Pair(run, group, "trio")
    finally:
        group.remove()


def begin(pair, *options):
    """All of them started; when a was."""
    pair.start_matchmaker("m1")
    pair.start("c", *options, host=HOST)
    pair.start("b")
    return pair.start("a")


def explained(pair, who="a", peer="b"):
    return json.loads(command("explain", NAMES[peer], "--state", pair.state(who), "--json").stdout)


def forwarded(run, _):
    """Two hard NATs and a public member with `forward: true`: bytes go both ways through it, and both gateways say so."""
    traffic = Traffic(run.lab)
    with trio(run) as pair:
        started = begin(pair, "--forward")
        with pair.targets(), pair.connect("a", seconds=150.0) as connection:
            first_byte = time.time() - started
            before = traffic.bytes_between({PUBLIC["a"]}, WHERE), traffic.bytes_between(WHERE, {PUBLIC["b"]})
            began = time.monotonic()
            carry(connection, COUNT)
            took = time.monotonic() - began
            through = [now - then for now, then in zip(
                (traffic.bytes_between({PUBLIC["a"]}, WHERE), traffic.bytes_between(WHERE, {PUBLIC["b"]})), before)]
            check(all(count >= COUNT for count in through), f"of {COUNT} bytes {through} went by the forwarder")
            for who in "ab":
                peer = pair.connected(who)
                check(peer and peer["path_kind"] == "forwarded" and peer["forwarded_by"] == NAMES["c"], f"{who} says {peer}")
                check("remote_address" not in peer, f"{who} tells an address: {peer}")
            told = explained(pair)
            check(told["conclusion"].startswith(f"forwarded by {NAMES['c']}, because ") and BOTH_HARD in told["conclusion"],
                  f"{told['conclusion']}")
            check("map a port" in told.get("remedy", ""), f"nothing would make it direct: {told}")
            text = command("status", "--state", pair.state("a")).stdout
            check(f"through {NAMES['c']}" in text and "forwarded" in text, text)
        straight = traffic.bytes_between({PUBLIC["a"]}, {PUBLIC["b"]}) + traffic.bytes_between({PUBLIC["b"]}, {PUBLIC["a"]})
        check(straight < CHECKS, f"{straight} bytes between two networks that do not reach each other")
        heard = sum(traffic.bytes_between(*ways) for ways in (({PUBLIC[who]}, SERVED) for who in "ab"))
        check(0 < heard < MATCHMAKER_BYTES, f"the matchmaker heard {heard} bytes")
        forwarding = pair.status("c")["forwarding"]
        check(forwarding["forwards"] and forwarding["bytes_passed"] >= 2 * COUNT and forwarding["pairs"] == 1, f"{forwarding}")
        pair.check_alive()
    run.note(first_byte_s=round(first_byte, 3), mbit_s=round(16e-6 * COUNT / took, 1), dropped=forwarding["refused"])
    return f"first byte after {first_byte:.2f} s; {COUNT / 1e6:g} MB each way through {NAMES['c']}, {16e-6 * COUNT / took:.1f} Mbit/s"


def until_direct(run, _):
    """A router changes while its network is reached through a member: a direct way takes over under an open connection."""
    traffic = Traffic(run.lab)
    with trio(run) as pair:
        begin(pair, "--forward")
        with pair.targets("b"), pair.connect("a", seconds=150.0) as connection:
            check((pair.connected("a") or {}).get("path_kind") == "forwarded", f"a says {pair.peer('a')}")
            carry(connection, 100_000)
            began = time.monotonic()
            run.lab.nat_command("ra", "set", "mapping=ei,filtering=ei")
            run.lab.nat_command("ra", "reboot")
            wait_until(lambda: (pair.connected("a") or {}).get("path_kind") == "direct", "the direct way is used", 200.0,
                       alive=pair.gateways.values())
            took = time.monotonic() - began
            before = traffic.bytes_between({PUBLIC["a"]}, {PUBLIC["b"]})
            carry(connection, COUNT)
            straight = traffic.bytes_between({PUBLIC["a"]}, {PUBLIC["b"]}) - before
            check(straight >= COUNT, f"of {COUNT} bytes {straight} went directly")
        pair.check_alive()
    run.note(direct_after_s=round(took, 2))
    return f"direct {took:.1f} s after the router changed, no connection broken"


def unasked(run, _):
    """The same without `forward: true`: both reach the member, neither the other, and it is said what could be done."""
    with trio(run) as pair:
        begin(pair)

        def reaches_hub(who):
            status = ask(pair.state(who) / "control.sock", "/v1/status")
            return status and any(peer["name"] == NAMES["c"] and peer["state"] == "connected" for peer in status["peers"])

        def told():
            peer = pair.peer("a")
            check(not peer or peer["state"] != "connected", f"it is connected: {peer}")
            return all(reaches_hub(who) for who in "ab") and peer and BOTH_HARD in peer.get("last_error", "")
        wait_until(told, "a says why it does not reach b, and both reach c", 150.0, alive=pair.gateways.values())

        def says_nobody_forwards():
            text = explained(pair)
            return text if "no member that reaches both forwards" in text["conclusion"] else None
        text = wait_until(says_nobody_forwards, "a says that nobody forwards", 150.0, alive=pair.gateways.values())[0]
        check("forward: true" in text["remedy"], f"{text['remedy']}")
        check("forwarding" not in pair.status("c"), "c forwards unasked")
        check(not pair.connected("a") and not pair.connected("b"), "they are connected")
        pair.check_alive()
    return text["conclusion"]


for kinds in (("symmetric", "symmetric"), ("symmetric", "linuxrandom")):
    cell("variants", "forwarded-" + "-".join(kinds), "nat-" + "-".join(kinds), forwarded, forwarded.__doc__, 300.0,
         only_full=kinds[1] != "symmetric")
cell("variants", "forward-until-direct", "nat-symmetric-symmetric", until_direct, until_direct.__doc__, 400.0)
cell("variants", "forward-unasked", "nat-symmetric-symmetric", unasked, unasked.__doc__, 400.0)
