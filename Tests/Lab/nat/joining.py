"""A gateway joins a group through both NATs: by a token, with nothing but it."""

import json
import time

from harness.data import receive_exactly
from harness.gateway import binary, command
from harness.lab import check, wait_until

from .matrix import check_direct, size
from .members import TARGET, Pair, ask, carry
from .networks import DIRECT, theory
from .plan import cell
from .traffic import Traffic

NAME, TUNNEL, PORT = "vole-newcomer", "voleweb", 8003
# Of the pairs below.
QUICK = (("portrestricted", "portrestricted"), ("portrestricted", "symmetric"), ("linux", "double"))


def join(run, group):
    """A member behind a's NAT invites; whoever has the token joins from host b, runs, and uses a tunnel to the inviter."""
    traffic = Traffic(run.lab)
    pair = Pair(run, group)
    pair.start_matchmaker("m1")
    pair.start("a")
    pair.wait_log("a", "registered with a matchmaker")
    # The inviter's registration for those who join comes after the invitation; `join` waits for it as a person would see it.
    said = command("invite", "--name", NAME, "--state", pair.state("a"), "--json").stdout
    token = json.loads(said)["invitations"][0]["token"]
    check(len(token) <= 300, f"a token of {len(token)} characters")
    began = time.monotonic()
    run.lab.run("b", [binary(), "join", token, "--patience", 60, "--state", pair.state("c")], seconds=120.0)
    joined = time.monotonic() - began
    run.lab.start("b", [binary(), "run", "--state", pair.state("c"), "--log-level", "debug"], "the newcomer",
                  pair.directory / "c.log")
    command("tunnel", "add", TUNNEL, "--origin", f"{NAME}@127.0.0.1:{PORT}", "--destination",
            f"walrus-edge@{TARGET[0]}:{TARGET[1]}", "--state", pair.state("a"))
    wait_until(lambda: run.lab.listening("b", PORT), "the newcomer has its tunnel", 60.0)
    with pair.targets("a"), run.lab.connect("b", PORT, seconds=60.0) as connection:
        connection.sendall(bytes(8))
        check(receive_exactly(connection, 1) == b"\x06", "no first byte")
        took = time.monotonic() - began
        before = traffic.flows()
        carry(connection, size(run) // 5)
    check_direct(traffic, before, size(run) // 5)
    check(ask(pair.state("c") / "control.sock", "/v1/status")["name"] == NAME, "it has another name")
    run.note(joined_s=round(joined, 3), first_byte_s=round(took, 3))
    return f"joined within {joined:.1f} s, first byte {took:.1f} s after the token was given"


for kinds in (("none", "portrestricted"), ("portrestricted", "none"), ("portrestricted", "portrestricted"), ("linux", "double"),
              ("symmetric", "restricted"), ("portrestricted", "symmetric"), ("linuxrandom", "linux")):
    cell("variants", "join-" + "-".join(kinds), "nat-" + "-".join(kinds), join,
         f"{'by checks alone' if theory(*kinds).way == DIRECT else 'by guessing'}: {join.__doc__}", 240.0,
         only_full=kinds not in QUICK)
