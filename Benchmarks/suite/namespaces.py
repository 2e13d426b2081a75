"""Two hosts and the link between them, as network namespaces that are made and removed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Iterator

from harness.lab import Failure, Lab, Process, wait_until

from . import kernel
from .links import Link
from .tools import tool

SERVER_PORT = 19_000
# Below the ephemeral range of Linux (32768 to 60999), ten for each peer.
FIRST_PORT = 20_000
PORTS_EACH = 10
LAST_PORT = 32_000


class OneHost(Lab):
    """Both hosts are the same namespace: what the loopback device joins."""

    def namespace(self, host: str) -> str:
        return super().namespace("a")


@dataclasses.dataclass(frozen=True)
class Addresses:
    """Of host a and of host b. TCP between a pair of addresses uses one congestion control."""

    a: str
    b: str


class Network:
    """Hosts a and b, their addresses, the load server on b, and ports to use.

    `cubic` addresses use the namespaces' default; `bbr` ones have routes that ask for BBR (None where
    the kernel has none), so that both can be measured side by side in one run.
    """

    def __init__(self, lab: Lab, link: Link, directory: pathlib.Path) -> None:
        self.lab, self.link, self.directory = lab, link, directory
        self.cubic = (Addresses("127.0.0.1", "127.0.0.1") if link.loopback
                      else Addresses("203.0.113.1", "203.0.113.2") if link.topology == "multipath"
                      else Addresses("192.0.2.1", "192.0.2.2"))
        self.bbr: Addresses | None = None
        self.device = "lo" if link.loopback else "eth0"
        self._next_port = FIRST_PORT
        self.server: Process | None = None

    def add_bbr(self) -> None:
        if self.link.loopback or self.link.topology != "direct" or "bbr" not in kernel.available_congestion_controls():
            return
        self.bbr = Addresses("192.0.2.11", "192.0.2.12")
        for host, own, other in (("a", self.bbr.a, self.bbr.b), ("b", self.bbr.b, self.bbr.a)):
            self.lab.run(host, ["ip", "address", "add", f"{own}/32", "dev", self.device])
            self.lab.run(host, ["ip", "route", "add", f"{other}/32", "dev", self.device, "src", own, "congctl", "bbr"])

    def addresses(self, bbr: bool) -> Addresses:
        if not bbr:
            return self.cubic
        if self.bbr is None:
            raise Failure("no BBR here")
        return self.bbr

    @property
    def all_of_b(self) -> list[str]:
        """Every address of host b's that host a can reach it at."""
        return [self.cubic.b] + (["198.51.100.2"] if self.link.topology == "multipath" else [])

    def ports(self) -> range:
        """Ten ports, TCP and UDP, that nobody else has."""
        first = self._next_port
        self._next_port += PORTS_EACH
        if self._next_port >= LAST_PORT:        # those that were first have ended long ago
            self._next_port = FIRST_PORT
        return range(first, first + PORTS_EACH)

    def start_server(self) -> None:
        self.server = self.lab.start("b", [tool("load"), "serve", "0.0.0.0", SERVER_PORT], "load serve",
                                     self.directory / "load.log")
        wait_until(lambda: self.lab.listening("b", SERVER_PORT), "the load server listens", alive=[self.server])

    def load(self, verb: str, endpoint: tuple[str, int], *arguments: object, seconds: float = 60.0) -> dict:
        """Run a verb of the load program on host a; `seconds` is how long it should take at most."""
        said = self.lab.run("a", [tool("load"), verb, *endpoint, *arguments], seconds=seconds + 150).stdout
        return json.loads(said)

    def emulator(self) -> dict:
        """The link emulator's counters: `late_max_us` and `ring_dropped` tell when it could not keep up."""
        first = "eth" if self.link.topology == "multipath" else "wire"
        return {} if self.link.clean else json.loads(self.lab.link_command(first, "stats"))

    def settle(self) -> None:
        """Until no packet is in the emulated link, or only few: what a measurement left behind is gone."""
        if self.link.clean:
            return

        def empty() -> bool:
            stats = self.emulator()
            # Keepalives of what idles beside may be under way.
            return all(stats[way]["queued"] == 0 and stats[way]["in_flight"] < 10 for way in ("fwd", "rev"))
        with contextlib.suppress(Failure):
            wait_until(empty, "the link is empty", 20.0)

    def device_bytes(self) -> int:
        """IP bytes that host a sent and received so far."""
        said = self.lab.run("a", ["cat", "/proc/net/dev"]).stdout
        match = re.search(rf"^\s*{self.device}:\s*(.*)$", said, re.MULTILINE)
        if match is None:
            raise Failure(f"host a has no {self.device}")
        fields = [int(value) for value in match.group(1).split()]
        frame = 0 if self.link.emulation else 14       # a TUN device has no Ethernet header
        return fields[0] + fields[8] - frame * (fields[1] + fields[9])

    def congestion_control(self) -> str:
        return self.lab.run("a", ["cat", f"/proc/sys/{kernel.CONGESTION}"]).stdout.strip()


@contextlib.contextmanager
def network(identity: str, link: Link, directory: pathlib.Path, congestion: str = "cubic") -> Iterator[Network]:
    """Build the hosts and the link; everything that runs in them ends with the block."""
    os.environ["LAB_MTU"] = str(1500 if link.loopback else link.mtu)
    with contextlib.ExitStack() as stack:
        with kernel.inherited_congestion_control(congestion):
            kind = OneHost if link.loopback else Lab
            lab = stack.enter_context(kind(identity, link.topology,
                                            link.emulation if link.topology == "direct" else None))
        made = Network(lab, link, directory)
        made.add_bbr()
        made.start_server()
        yield made
