"""Gateways that find each other without any matchmaker, although nothing that they know of each other's addresses is right."""

import json

from harness.gateway import binary
from harness.lab import check, wait_until
from harness.runner import test

from .fleet import ADDRESSES, NAMES, Fleet

# Nobody is there.
NOWHERE = "192.0.2.250:9"
# An emulated link is a route to one address: no multicast passes it, and nobody behind it can have another address.
IN_ONE_NETWORK = ("clean",)
LAST = {"a": 211, "b": 212, "c": 213}


def move(run, host):
    """Gives a host another address, as another lease would, in a network with the others."""
    run.lab.run(host, ["ip", "addr", "add", f"192.0.2.{LAST[host]}/24", "dev", "eth0"])
    run.lab.run(host, ["ip", "addr", "del", f"{ADDRESSES[host]}/32", "dev", "eth0"])
    run.lab.at_end(lambda: move_back(run, host))


def move_back(run, host):
    run.lab.run(host, ["ip", "addr", "add", f"{ADDRESSES[host]}/32", "dev", "eth0"])
    run.lab.run(host, ["ip", "addr", "del", f"192.0.2.{LAST[host]}/24", "dev", "eth0"])
    run.lab.run(host, ["ip", "route", "replace", "default", "dev", "eth0", "src", ADDRESSES[host]])


def settings(fleet, host, **more):
    """The gateway's own settings, in a file beside its state; the options that name it."""
    path = fleet.directory / f"{host}.yaml"
    path.write_text(json.dumps(more))
    return ["--config", path]


def start(fleet, host, *options):
    process = fleet.lab.start(host, [*fleet.before(host), binary(), "run", "--state", fleet.state(host), *options], f"gateway {host}",
                              fleet.directory / f"{host}.log")
    fleet.running[host] = process
    wait_until(lambda: fleet.verb(host, "status", ok=None) is not None, f"the gateway on {host} runs", 60.0,
               alive=[process])


def connected(fleet, host, other):
    status = fleet.verb(host, "status")
    return any(peer["name"] == NAMES[other] and peer["state"] == "connected" for peer in status["peers"])


def wait_connected(fleet, pairs, seconds=60.0):
    return wait_until(lambda: all(connected(fleet, *pair) for pair in pairs), f"{pairs} are connected", seconds)[1]


def pair(run):
    """Two members that knew each other, and do not run."""
    fleet = Fleet(run.lab, run.directory / "fleet")
    fleet.join("b")
    fleet.wait_alike("ab", "ab")
    for host in "ab":
        fleet.stop(host)
    return fleet


@test(topology="group", cells=IN_ONE_NETWORK, seconds=120)
def neighbours_find_each_other(run):
    """Both have other addresses after a power cut, and what they remembered is lost: they hear each other in their network."""
    fleet = pair(run)
    for host in "ab":
        move(run, host)
        (fleet.state(host) / "reach.state").unlink()
    for host in "ab":
        start(fleet, host)
    took = wait_connected(fleet, ["ab", "ba"])
    return f"connected {took:.1f} s after both ran"


@test(topology="group", cells=IN_ONE_NETWORK, seconds=120)
def silence_when_switched_off(run):
    """The same with `--no-lan` at one of them: not one datagram goes out for it, and they do not meet."""
    fleet = pair(run)
    for host in "ab":
        move(run, host)
        (fleet.state(host) / "reach.state").unlink()
    start(fleet, "a")
    start(fleet, "b", "--no-lan")
    before = memberships(run, "b")
    check("239.255.68.88" not in before and "4458" not in before, "a group was joined all the same")
    wait_until(lambda: fleet.verb("a", "status")["peers"][0].get("last_error"), "the first attempt to fail", 60.0)
    check(not connected(fleet, "a", "b"), "they met")
    fleet.stop("b")
    start(fleet, "b")
    took = wait_connected(fleet, ["ab", "ba"])
    return f"connected {took:.1f} s after it was switched on"


def memberships(run, host):
    return run.lab.run(host, ["ip", "maddr", "show"]).stdout


@test(topology="group", cells=IN_ONE_NETWORK, seconds=120)
def members_introduce_members(run):
    """`b` and `c` tell the group an address that is none, and hear nothing in their network: `a` has channels with both."""
    fleet = Fleet(run.lab, run.directory / "fleet")
    for host in "bc":
        fleet.join(host)
    fleet.wait_alike("abc", "abc")
    for host in "bc":
        fleet.stop(host)
    for host in "bc":
        move(run, host)
        (fleet.state(host) / "reach.state").unlink(missing_ok=True)
    for host in "bc":
        start(fleet, host, "--no-lan", *settings(fleet, host, advertise=[NOWHERE]))
    took = wait_connected(fleet, ["ab", "ac", "bc", "cb"])
    check(told(fleet, "b") == told(fleet, "c") == {NOWHERE, address(fleet, "a")}, "the document says where they are")
    # Each is where nobody was told that it is.
    for host, other in ("bc", "cb"):
        status = next(peer for peer in fleet.verb(host, "status")["peers"] if peer["name"] == NAMES[other])
        check(status["remote_address"].startswith(f"192.0.2.{LAST[other]}:"), f"{other} is at {status['remote_address']}")
    return f"connected {took:.1f} s after both ran"


@test(topology="group", seconds=120)
def the_last_address_is_remembered(run):
    """Both tell the group an address that is none; after they were connected once they find each other where they were."""
    fleet = Fleet(run.lab, run.directory / "fleet")
    fleet.join("b")
    fleet.wait_alike("ab", "ab")
    for host in "ab":
        fleet.stop(host)
    options = {host: ["--no-lan", *settings(fleet, host, advertise=[NOWHERE])] for host in "ab"}
    for host in "ab":
        start(fleet, host, *options[host])
    wait_until(lambda: all(told(fleet, host) == {NOWHERE} for host in "ab"), "both know only that", 60.0)
    for host in "ab":
        fleet.stop(host)
    for host in "ba":
        start(fleet, host, *options[host])
    took = wait_connected(fleet, ["ab", "ba"])
    mode = (fleet.state("a") / "reach.state").stat().st_mode & 0o777
    check(mode == 0o600, f"reach.state has mode {mode:o}")
    # A file that a bad disk ate is no reason not to run.
    fleet.stop("a")
    (fleet.state("a") / "reach.state").write_bytes(b"DXRE")
    start(fleet, "a", *options["a"])
    check(fleet.verb("a", "status")["drops"].get("reach_file_refused") == 1, "a damaged file was not counted")
    return f"connected {took:.1f} s after both ran"


def address(fleet, host):
    """Where a gateway is, as it tells itself."""
    me = next(member for member in fleet.verb(host, "member", "list")["members"] if member.get("this_gateway"))
    return me["addresses"][0]


def told(fleet, host):
    members = fleet.verb(host, "member", "list")["members"]
    return {address for member in members for address in member["addresses"]}
