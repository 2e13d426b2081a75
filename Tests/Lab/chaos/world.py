"""The network, the group of five gateways and what they are given: disks, clocks, limits; and how each is ended and started."""

import json
import mmap
import os
import pathlib
import resource
import struct
import threading
import time

from harness.disks import Disk
from groups.fleet import ADDRESSES, NAMES, Fleet
from harness.gateway import matchmaker_binary
from harness.lab import HERE, Failure, wait_until

from .load import Datagrams, Down, Short, Stall, Up, Words
from .schedule import CLOCKED, DRAIN, HOSTS, SINGLE, STALLS
from .targets import Target

# What a host with one interface is renumbered to, and back.
OTHER_ADDRESSES = {host: f"192.0.2.{111 + HOSTS.index(host)}" for host in SINGLE}
# Room for the group's files and the audit records that the settings below allow.
DISK_BYTES, DISK_FILES = 8 << 20, 256
# The least that can be set: a connection that nobody reads holds 30 to 150 KB, so that 48 of them come near to it, or over it.
MEMORY_LIMIT = 4 << 20
MATCHMAKER = ("192.0.2.21", "192.0.2.22")
# How several paths are used: each mode is somewhere.
MULTIPATH = {"a": "aggregate", "b": "redundant"}


class World(Fleet):
    """Five gateways with all that is done to them. `lives` is every process that ran as a gateway."""

    def __init__(self, lab, directory, seed):
        self.disks, self.clock_pages, self.lives = {}, {}, []
        self.address = dict(ADDRESSES)
        self.changing = {host: threading.Lock() for host in HOSTS}      # who ends and starts a host's gateway
        self.ended_wrong = []           # what a gateway's end said that should have been in order
        super().__init__(lab, directory)
        self.seed = seed
        pin = self._matchmaker_pin()
        self.start_matchmaker()
        for host in HOSTS[1:]:
            self.join(host, "--role", "admin" if host == "b" else "member")
        self.wait_alike(HOSTS, HOSTS, 120.0)
        self.verb("a", "config", "match", "add", f"{MATCHMAKER[0]}:3478#{pin}")

    # ---- gateways

    def run(self, host, *arguments):
        if arguments[0] in ("init", "join"):
            self._prepare(host)
        return super().run(host, *arguments)

    def _prepare(self, host):
        """A disk and a clock of its own, and its settings."""
        self.disks[host] = Disk(self.lab, self.state(host), DISK_BYTES, DISK_FILES)
        if host in CLOCKED:
            page = self.directory / f"clock-{host}"
            page.write_bytes(bytes(8))
            with open(page, "r+b") as file:
                self.clock_pages[host] = mmap.mmap(file.fileno(), 8)
        # There is no router that could map a port; a gateway keeps looking for one, from sockets that come and go.
        settings = {"port_mapping": False, "limits": {"memory": MEMORY_LIMIT, "drain_timeout": f"{DRAIN:g}s"},
                    "audit": {"size": "1MiB"}}
        if host in MULTIPATH:
            settings["multipath"] = MULTIPATH[host]
        (self.directory / f"{host}.yaml").write_text(json.dumps(settings))

    def settings(self, host):
        return ["--config", self.directory / f"{host}.yaml"]

    def clock(self, host):
        if host not in CLOCKED:
            return []
        library = pathlib.Path(os.environ.get("LAB_BUILD", HERE / ".build")) / "wallclock.so"
        return ["env", f"LD_PRELOAD={library}", f"LAB_WALLCLOCK={self.directory / f'clock-{host}'}"]

    def set_clock(self, host, seconds):
        """From now on the programs on this host see a time of day that differs by so much."""
        self.clock_pages[host][:] = struct.pack("=q", int(seconds * 1e9))

    def launch(self, host):
        process = super().launch(host)
        self.lives.append(Life(host, process))
        return process

    def kill(self, host):
        # One that ended by itself must be seen as that.
        if self.running[host].running():
            self.running[host].kill9()

    def stop(self, host):
        """SIGTERM: it has to end by itself and in order, within its `drain_timeout` and what a slow machine needs."""
        process = self.running[host]
        if not process.running():
            return
        if not process.stop(90.0):
            self.ended_wrong.append(f"the gateway on {host} did not end within 90 s of SIGTERM")
        elif process.popen.returncode != 0:
            self.ended_wrong.append(f"the gateway on {host}, told to stop: {process.ending()}")

    def signal(self, host, number):
        os.kill(self.running[host].pid, number)

    def limit_descriptors(self, host, *limits):
        """As prlimit(1) does; returns what the limits were before. Without new ones nothing changes."""
        return resource.prlimit(self.running[host].pid, resource.RLIMIT_NOFILE, *limits)

    def fallen(self):
        """Gateways that ended without having been told to."""
        return [life for life in self.lives if not life.process.expected_dead and not life.process.running()]

    def status(self, host):
        """None while it does not answer: it may be stopped, or have no descriptor left."""
        try:
            return self.verb(host, "status", ok=None)
        except (Failure, json.JSONDecodeError):
            return None

    # ---- the matchmaker

    def _matchmaker_state(self):
        return self.directory / "matchmaker"

    def _matchmaker_pin(self):
        return self.lab.run("m", [matchmaker_binary(), "pin", "--state", self._matchmaker_state()]).stdout.strip()

    def start_matchmaker(self):
        self.matchmaker = self.lab.start(
            "m", [matchmaker_binary(), "run", "--open", "--listen", f"{MATCHMAKER[0]}:3478", "--alternate", f"{MATCHMAKER[1]}:3479",
                  "--state", self._matchmaker_state()], "the matchmaker", self.directory / "matchmaker.log")

    def kill_matchmaker(self):
        if not self.matchmaker.running():
            self.ended_wrong.append(f"the matchmaker ended by itself: {self.matchmaker.ending()}")
        self.matchmaker.kill9()

    # ---- tunnels and what goes through them

    def make_load(self, ledger):
        """All tunnels, the flows through them and the targets behind them. Nothing runs yet."""
        self.flows, self.targets, self.stalls = [], {}, {}
        for number, (name, kind, origin, destinations, options) in enumerate(tunnels()):
            port, target = 15000 + number, 16000 + number
            places = [part for host in destinations for part in ("--destination", f"{NAMES[host]}@127.0.0.1:{target}")]
            self.verb("a", "tunnel", "add", name, "--origin", f"{NAMES[origin]}@127.0.0.1:{port}", *places, *options)
            if kind is Datagrams:
                self.datagrams = Datagrams(self.lab, ledger, name, origin, port, destinations[0], target)
                continue
            flow = kind(self.lab, ledger, name, origin, port, destinations, self.seed)
            for host in destinations:
                self.targets[f"{name}@{host}"] = Target(self.lab, ledger, host, target, 400_000 if kind is Down else None)
            if kind is Stall:
                self.stalls[name] = flow
            else:
                self.flows.append(flow)
        for target in self.targets.values():
            target.start()
        for flow in [*self.flows, *self.stalls.values()]:
            self.wait_listening(flow.origin, flow.port, 120.0)

    def pairs(self):
        """Which gateways have to have a channel, as (host, host)."""
        return sorted({(origin, host) for _, _, origin, destinations, _ in tunnels() for host in destinations})

    # ---- addresses

    def other_address(self, host):
        return OTHER_ADDRESSES[host] if self.address[host] == ADDRESSES[host] else ADDRESSES[host]

    def settle_address(self, host, old, new):
        """Makes the way to a host's new address; what ip(8) there is to be told to take it, and to give up the old one."""
        self.lab.run("inet", ["ip", "route", "replace", f"{new}/32", "dev", f"p-{host}"])
        return [f"addr add {new}/32 dev eth0", f"route replace default dev eth0 src {new}"], [f"addr del {old}/32 dev eth0"]

    def wait_connected(self, seconds):
        """Until all pairs of tunnels have channels and every gateway answers."""
        def connected():
            for one, other in self.pairs():
                status = self.status(one)
                if status is None or not any(peer["name"] == NAMES[other] and peer["state"] == "connected" for peer in status["peers"]):
                    return False
            return True
        return wait_until(connected, "all gateways have their channels", seconds,
                          alive=[process for process in self.running.values() if not process.expected_dead])[1]


def tunnels():
    """(name, kind of flow, origin, destinations, options of `tunnel add`)."""
    plain = [
        ("down", Down, "a", "b", []),
        ("up", Up, "c", "d", []),
        ("words", Words, "b", "c", ["--class", "interactive"]),
        ("short", Short, "e", "a", []),
        ("ha", Short, "e", "bd", ["--health", "tcp", "--health-interval", "1s", "--failback", "1s"]),
        ("dns", Datagrams, "d", "e", ["--udp", "--idle-timeout", "5s"]),
    ]
    return plain + [(name, Stall, origin, destination, []) for name, (origin, destination) in STALLS.items()]


class Life:
    """One process that was a gateway, and what was measured of it."""

    def __init__(self, host, process):
        self.host, self.process, self.began = host, process, time.monotonic()
        self.most_memory = 0
        self.quiet = []         # {"round", "anonymous", "resident", "descriptors": {kind: count}}

    @property
    def lives(self):
        return self.process.running() and not self.process.expected_dead

    def memory(self):
        """(anonymous, all resident) bytes. Pages of the program's file come and go with what is executed: no leak is there."""
        return self.process.memory("RssAnon"), self.process.memory()

    def descriptors(self):
        """How many there are of each kind: sockets, timers, files by name."""
        counts = {}
        place = f"/proc/{self.process.pid}/fd"
        for name in os.listdir(place):
            try:
                link = os.readlink(f"{place}/{name}")
            except FileNotFoundError:
                continue
            kind = link.split(":[")[0] if ":[" in link else link
            counts[kind] = counts.get(kind, 0) + 1
        return counts


