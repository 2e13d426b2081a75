"""One memory card in two devices."""

import contextlib
import re
import shutil
import threading

from harness.data import Server, echo, echo_works
from harness.lab import Failure, check, wait_until
from harness.runner import test

from .fleet import ADDRESSES, NAMES
from .story import grow

# How long a copy is spoken of after it was heard last: a device that is off for the night must not be forgotten.
MEMORY = 600


class Held:
    """A connection on which something is said again and again, and how often it broke."""

    def __init__(self, lab, host, port):
        self.lab, self.host, self.port = lab, host, port
        self.said = self.breaks = 0
        self.stopping = False
        self.thread = threading.Thread(target=self._talk, daemon=True)

    def _talk(self):
        while not self.stopping:
            with contextlib.suppress(OSError, Failure), self.lab.connect(self.host, self.port, seconds=10.0) as connection:
                while not self.stopping:
                    check(echo_works(connection), "an echo came changed")
                    self.said += 1
            self.breaks += not self.stopping

    def wait_more(self, count=100):
        said = self.said
        wait_until(lambda: self.said > said + count, f"{self.host} goes on talking", 90.0)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(30.0)


def count_copy(run):
    """Has host `d` count what it sends to the others."""
    others = ", ".join(ADDRESSES[host] for host in "abce")
    run.lab.run("d", ["nft", "-f", "-"], input=f"""
table ip copy {{
    chain sent {{ type filter hook output priority 0; ip daddr {{ {others} }} meta l4proto udp counter; }}
}}
""")


def sent_by_copy(run):
    rules = run.lab.run("d", ["nft", "list", "chain", "ip", "copy", "sent"]).stdout
    return int(re.search(r"counter packets (\d+)", rules).group(1))


@test(topology="group", seconds=600)
def a_copied_card_is_named(run):
    """Two gateways run from one directory: others name both addresses, and neither throws the other out again and again."""
    fleet = grow(run, hosts="abce")
    out, back = run.port(), run.port()
    with Server(run.lab, "a", 8000, echo), Server(run.lab, "c", 8000, echo), contextlib.ExitStack() as held:
        fleet.add_tunnel("a", "out", "c", out, "a", 8000)
        fleet.add_tunnel("a", "back", "a", back, "c", 8000)
        for host, port in (("c", out), ("a", back)):
            fleet.wait_listening(host, port)
        # The card is copied while its device is off, and both are switched on again.
        fleet.stop("c")
        shutil.copytree(fleet.state("c"), fleet.state("d"))
        fleet.start("c")
        fleet.wait_listening("c", out)
        talks = [held.enter_context(Held(run.lab, "c", out)), held.enter_context(Held(run.lab, "a", back))]
        for talk in talks:
            talk.wait_more()
        began = [talk.breaks for talk in talks]
        count_copy(run)
        fleet.start("d")

        def named(host):
            said = " ".join(text for text in fleet.problems(host) if "runs twice" in text)
            return NAMES["c"] in said and ADDRESSES["c"] in said and ADDRESSES["d"] in said
        took = wait_until(lambda: named("a"), "a names both addresses", 90.0)[1]

        def told(host):
            members = fleet.verb(host, "member", "list")["members"]
            return any(member["presence"]["twice_at"] for member in members if member["name"] == NAMES["c"])
        wait_until(lambda: all(told(host) for host in "abe"), "all others list it as running twice", 90.0)
        for talk in talks:
            talk.wait_more()
        if run.full:
            # One that is refused calls again when it has found nobody to answer: a few datagrams each time.
            heard = sent_by_copy(run)
            wait_until(lambda: sent_by_copy(run) > heard + 40, "the copy has called again and again", 300.0)
        breaks = [after - before for after, before in zip([talk.breaks for talk in talks], began)]
        check(not any(breaks), f"connections of the first one broke {breaks} times")
        fleet.stop("d")
        if run.full and not run.impaired:
            # By default a matter of the unit tests: it takes as long as a copy is remembered.
            wait_until(lambda: not any(named(host) or told(host) for host in "abe"), "it is spoken of no more",
                       MEMORY + 120.0)
    return f"named after {took:.1f} s; {sum(talk.said for talk in talks)} echoes, none broken"
