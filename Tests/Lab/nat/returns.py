"""Members that slept behind their NAT while others were removed come back by the matchmakers alone; removed ones hear nothing."""

import datetime
import json
import os
import re
import shlex
import shutil
import time

from harness.gateway import binary, command
from harness.lab import check, wait_until

from .matrix import check_carried
from .members import TARGET, Group, Pair, ask, carry
from .networks import MATCHMAKERS, PUBLIC
from .plan import cell
from .traffic import Traffic

GROUP, HQ = "stoatworks", "hq"
ASLEEP = ("edge-1", "edge-2")
GONE = tuple(f"gone-{number}" for number in range(1, 6))
TUNNEL_PORTS = {"edge-1": 8001, "edge-2": 8002}
# Where a removed one is: an address of the internet, which no NAT hides.
STRANGER = MATCHMAKERS["m2"][1]


def epochs(state):
    """The numbers of the secrets in a state directory."""
    return sorted(int(path.name.split("-")[1]) for path in state.rglob("epoch-*-*.key"))


class Sleepers(Group):
    """The states of a group of eight: of the admin `hq`, of two that slept while five were removed, and of these five, each with all
    secrets of its time. All were in one place, and nobody has been anywhere else: no address that anybody knows is of use."""

    def _make(self):
        options = self._make_space()
        command("init", "--group", GROUP, "--name", HQ, "--state", self.state(HQ), *options)
        gateways = {HQ: self._start(HQ)}
        for name in ASLEEP + GONE:
            said = command("invite", "--name", name, "--state", self.state(HQ), "--json").stdout
            self._inside("join", json.loads(said)["invitations"][0]["token"], "--state", self.state(name))
            gateways[name] = self._start(name)
        for name in ASLEEP:
            command("tunnel", "add", f"to-{HQ}-{name}", "--origin", f"{name}@127.0.0.1:{TUNNEL_PORTS[name]}",
                    "--destination", f"{HQ}@{TARGET[0]}:{TARGET[1]}", "--state", self.state(HQ))
        # So that the first of the removed ones looks for one that slept, whomever it would look for otherwise.
        command("tunnel", "add", "to-sleeper", "--origin", f"{GONE[0]}@127.0.0.1:{TUNNEL_PORTS[ASLEEP[0]]}",
                "--destination", f"{ASLEEP[0]}@{TARGET[0]}:{TARGET[1]}", "--state", self.state(HQ))
        wait_until(lambda: all(self._knows_all(name) for name in gateways), "all know all members and tunnels", 120.0,
                   alive=self._running)
        for name in ASLEEP:
            check(gateways[name].stop(45.0), f"{name} did not end on SIGTERM")
            self._running.remove(gateways[name])
        for number, name in enumerate(GONE, 1):
            wait_until(lambda: epochs(self.state(name)) == list(range(1, number + 1)), f"{name} has the secrets of its time", 60.0,
                       alive=self._running)
            command("member", "remove", name, "--state", self.state(HQ), seconds=60.0, ok=None)
        wait_until(lambda: epochs(self.state(HQ)) == list(range(1, 7)), "hq has all secrets", 60.0, alive=self._running)
        self._leave()
        for path in [*self.directory.glob("*/control.sock"), *self.directory.glob("*/reach.state")]:
            path.unlink()

    def _start(self, name):
        self._run(name)
        return self._running[-1]

    def _knows_all(self, name):
        members = ask(self.state(name) / "control.sock", "/v1/members")
        tunnels = ask(self.state(name) / "control.sock", "/v1/tunnels")
        count = len(ASLEEP) + 1 if name == HQ else 1 if name in (*ASLEEP, GONE[0]) else 0
        return members and len(members["members"]) == 1 + len(ASLEEP) + len(GONE) and tunnels is not None and \
            len(tunnels["tunnels"]) >= count


class Place(Pair):
    """Gateways by name, on hosts of a network. Nothing runs until it is started."""

    def __init__(self, run, group):
        self.run, self.lab, self.group = run, run.lab, group
        self.directory = run.directory / "returns"
        self.gateways, self.matchmakers, self._starts = {}, {}, 0
        shutil.copytree(group.directory, self.directory)
        self.directory.chmod(0o711)

    def start_on(self, host, name, *options):
        """Runs a gateway of the group on a host; returns when it was started."""
        self._starts += 1
        options = [*shlex.split(os.environ.get("DX_RUN_OPTIONS", "--log-level debug")), *options]
        process = self.lab.start(host, [binary(), "run", "--state", self.state(name), *options], f"gateway {name}",
                                 self.directory / f"{name}-{self._starts}.log")
        self.gateways[name] = process
        return datetime.datetime.now().timestamp()

    def port(self, name):
        """The port of a running gateway's channels."""
        status = wait_until(lambda: self.status(name), f"{name} answers", 60.0, alive=[self.gateways[name]])[0]
        return int(status["listen"][0].rsplit(":", 1)[1])


def bring_up(run):
    """The admin runs, and expects two; then the matchmakers have forgotten everything, and the NATs too."""
    group = Sleepers(os.environ["LAB_ID"] + "s")
    run.lab.at_end(group.remove)
    place = Place(run, group)
    for name in MATCHMAKERS:
        place.start_matchmaker(name)
    place.start_on("a", HQ)
    expected = len(ASLEEP) * len(MATCHMAKERS)
    place.wait_log(HQ, "registered under a return tag", count=expected)
    for name in MATCHMAKERS:
        check(place.matchmakers[name].stop(), f"the matchmaker {name} did not end on SIGTERM")
    for nat in run.lab.nats():
        run.lab.nat_command(nat, "reboot")
    for name in MATCHMAKERS:
        place.start_matchmaker(name)
    return place


def return_home(run, group):
    """Two slept behind one NAT while five were removed, one after the other. The admin behind the other NAT moved, both matchmakers and
    both NATs forgot everything: the two come back unaided, and their tunnels carry. Then the five run again, with every secret of their
    time, where no NAT is before them: the gateways send them nothing."""
    del group       # a group of its own
    traffic = Traffic(run.lab)
    place = bring_up(run)
    took = {}
    with place.targets("a"):
        began = time.monotonic()
        for name in ASLEEP:
            place.start_on("b", name)
        for name in ASLEEP:
            port = TUNNEL_PORTS[name]
            wait_until(lambda: run.lab.listening("b", port), f"{name} has its tunnel", 60.0, alive=place.gateways.values())
            with connect(place, "b", port) as connection:
                took[name] = time.monotonic() - began
                before = traffic.flows()
                carry(connection, 1_000_000)
            check_carried(traffic.flows(), before, 1_000_000)
            wait_until(lambda: epochs(place.state(name)) == list(range(1, 7)), f"{name} has all secrets", 60.0)
        asked, heard = removed_hear_nothing(run, place)
        # They still do what they did before.
        with connect(place, "b", TUNNEL_PORTS[ASLEEP[0]]) as connection:
            carry(connection, 100_000)
    place.check_alive()
    run.note(first_byte_s={name: round(seconds, 3) for name, seconds in took.items()}, removed_sent=asked)
    return f"first bytes after {', '.join(f'{seconds:.1f} s' for seconds in took.values())}; five removed ones sent {asked} datagrams " \
           f"to the gateways' NATs and got {heard} back"


def connect(place, host, port):
    """A connection through a tunnel that has carried its first byte, however often it takes."""
    def attempt():
        try:
            connection = place.lab.connect(host, port, seconds=15.0)
            connection.sendall(bytes(8))
            if connection.recv(1) == b"\x06":
                connection.settimeout(90.0)
                return connection
            connection.close()
        except OSError:
            pass
        return None
    return wait_until(attempt, f"the first byte through the tunnel at {port}", 180.0, alive=place.gateways.values())[0]


def removed_hear_nothing(run, place):
    """The removed ones run on a host of the internet: how many datagrams they sent to the gateways' NATs, and got from them."""
    for name in GONE:
        place.start_on("m2", name, "--no-lan")
    ports = ", ".join(str(place.port(name)) for name in GONE)
    homes = f"{PUBLIC['a']}, {PUBLIC['b']}"
    run.lab.run("m2", ["nft", "-f", "-"], input=f"""
table ip gone {{
    chain from {{ type filter hook output priority 0; ip daddr {{ {homes} }} udp sport {{ {ports} }} counter; }}
    chain to {{ type filter hook input priority 0; ip saddr {{ {homes} }} udp dport {{ {ports} }} counter; }}
}}
""")

    def counted(chain):
        rules = run.lab.run("m2", ["nft", "list", "chain", "ip", "gone", chain]).stdout
        return int(re.search(r"counter packets (\d+)", rules).group(1))
    for name in GONE:
        # They look for the admin where a member would find it.
        place.wait_log(name, "registered under a return tag", count=len(MATCHMAKERS))
    # The first epoch's tag, under which the two were for a moment, leads to where the two are.
    # What answers the first of them would have come before the last.
    wait_until(lambda: counted("from") > (50 if run.full else 30), "the removed ones send checks to the gateways", 300.0)
    heard = counted("to")
    check(heard == 0, f"{heard} datagrams came back to removed ones")
    for number, name in enumerate(GONE, 1):
        check(epochs(place.state(name)) == list(range(1, number + 1)), f"{name} has other secrets than those of its time")
        state = place.status(name)
        check(all(peer["state"] != "connected" for peer in state["peers"] if peer["name"] in (HQ, *ASLEEP)),
              f"{name} is connected with a member")
    return counted("from"), heard


cell("variants", "return-portrestricted-portrestricted", "nat-portrestricted-portrestricted", return_home, return_home.__doc__, 600.0)
cell("variants", "return-symmetric-portrestricted", "nat-symmetric-portrestricted", return_home, return_home.__doc__, 600.0,
     only_full=True)
cell("variants", "return-portrestricted-symmetric", "nat-portrestricted-symmetric", return_home, return_home.__doc__, 600.0,
     only_full=True)
