"""Gateways whose disks are full, or closed to them."""

import contextlib
import json

from harness.data import Server, echo, echo_works
from harness.disks import Disk, Traffic
from harness.gateway import command
from harness.lab import Failure, check, wait_until
from harness.runner import test

from .fleet import NAMES, Fleet
from .story import fetch, nginx

@test(topology="group", seconds=120)
def nothing_else_is_written(run):
    """`init`, `join`, a tunnel and a change where only the state directory can be written, without HOME or any environment."""
    fleet = Fleet(run.lab, run.directory / "fleet", sealed=True)
    # Else nothing is tried here.
    places = "/tmp /var/tmp /run /dev/shm /root /home"
    run.lab.run("a", [*fleet.seal("a"), "sh", "-c", f"for place in {places}; do if touch $place/probe; then exit 1; fi; done;"
                      ' test -z "${HOME-}"'])
    fleet.join("b")
    fleet.wait_alike("ab", "ab")
    page, first, second = nginx(run, "a", 8000), run.port(), run.port()
    for name, port in (("one", first), ("two", second)):
        fleet.add_tunnel("a", name, "b", port, "a", 8000)
        fleet.wait_listening("b", port)
        check(fetch(run, "b", port) == page, "the page came changed")
    for host in "ab":
        fleet.stop(host)
        fleet.start(host)
    fleet.wait_listening("b", second)
    check(fetch(run, "b", second) == page, "the page came changed after both were started again")
    check(not any(fleet.problems(host) for host in "ab"), "something is wrong with what works")
    return "joined, carried, followed a change and started again"


def shown(fleet, host):
    """What the disk of a gateway says, whether it runs or not."""
    return json.loads(command("group", "show", "--state", fleet.state(host), "--json").stdout)["group"]


# What a link does to packets has nothing to do with disks, and a minute passes until it is tried again.
@test(topology="group", cells=("clean",), seconds=300)
def a_full_disk_stops_no_traffic(run):
    """An admin's disk is full: its tunnels carry on, it follows a change, says what is wrong, and saves it when there is room."""
    fleet = Fleet(run.lab, run.directory / "fleet")
    disk = Disk(run.lab, fleet.state("b"))
    for host in "bcd":
        fleet.join(host, "--role", "admin" if host == "b" else "member")
    fleet.wait_alike("abcd", "abcd")
    one, two, three = run.port(), run.port(), run.port()
    with Server(run.lab, "a", 8000, echo):
        fleet.add_tunnel("a", "one", "b", one, "a", 8000)
        fleet.wait_listening("b", one)
        wait_until(lambda: shown(fleet, "b")["revision"] == fleet.verb("a", "status")["group"]["revision"],
                   "b has all on its disk", 60.0)
        before = shown(fleet, "b")
        with Traffic(run.lab, "b", one) as traffic:
            disk.fill()
            traffic.wait_more()
            # Changes of another admin, one of them with a new secret.
            fleet.add_tunnel("a", "two", "b", two, "a", 8000)
            fleet.verb("a", "member", "remove", NAMES["d"])
            fleet.wait_listening("b", two)
            fleet.wait_alike("abc", "abc")
            with run.lab.connect("b", two) as connection:
                check(echo_works(connection), "the new tunnel does not carry")
            said = wait_until(lambda: [text for text in fleet.problems("b") if "not saved" in text],
                              "b says that it cannot save", 60.0)[0][0]
            check("full" in said and "make room" in said and str(disk.path) in said, f"status says {said!r}")
            check(not disk.half_written() and shown(fleet, "b") == before, "the disk has something else than before")
            # Records of the connections that go on are counted where they cannot be kept.
            audit = wait_until(lambda: (said := fleet.verb("b", "status")["audit"])["unwritten"] and said,
                               "records that could not be written are counted", 60.0)[0]
            check("problem" in audit and audit["on_disk"], f"status says of audit records {audit}")
            # What can only be done if it can be kept.
            refusal = fleet.verb("b", "invite", ok=False)
            check(isinstance(refusal, str) and "full" in refusal and "make room" in refusal, f"invite said {refusal!r}")
            check(not fleet.verb("b", "invite", "list")["invitations"], "an invitation that nobody has is open")
            # What all others have heard of holds, and is said to be saved later.
            refusal = fleet.verb("b", "tunnel", "add", "three", "--origin", f"{NAMES['b']}@127.0.0.1:{three}",
                                 "--destination", f"{NAMES['a']}@127.0.0.1:8000", ok=False)
            check(isinstance(refusal, str) and "holds" in refusal and "make room" in refusal, f"tunnel add said {refusal!r}")
            fleet.wait_listening("b", three)
            check(not disk.half_written() and shown(fleet, "b") == before, "the disk has something else than before")
            traffic.wait_more()
            disk.make_room()
            took = wait_until(lambda: not fleet.problems("b"), "it is saved by itself", 90.0)[1]
            traffic.wait_more()
            wait_until(lambda: fleet.verb("b", "audit", "one")["records"], "records are kept again", 60.0)
        now = fleet.verb("b", "status")["group"]
        fleet.running.pop("b").kill9()
        saved = shown(fleet, "b")
        check(saved["revision"] == now["revision"] and saved["epoch"] == now["epoch"] == 2, f"on the disk is {saved}")
        check(list(disk.path.glob("epoch-2-*.key")), "the new secret is not on the disk")
        # A start on a full disk: without room even for its control socket it carries.
        disk.fill()
        disk.use_up_files()
        fleet.start("b", waits=False)
        fleet.wait_listening("b", two)
        wait_until(lambda: works(run, "b", two), "it carries after a start on a full disk", 60.0)
        disk.make_room()
        wait_until(lambda: fleet.verb("b", "status", ok=None), "it can be asked when there is room", 60.0)
    return f"{traffic.moved >> 20} MiB and {traffic.connections} connections meanwhile; saved {took:.0f} s after there was room"


def works(run, host, port):
    with contextlib.suppress(OSError, Failure), run.lab.connect(host, port, seconds=5.0) as connection:
        return echo_works(connection)
    return False
