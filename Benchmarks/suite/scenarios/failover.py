"""How long connections stand still when something fails, and how many break."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping

from apps.paths import LINK, straight
from harness.lab import wait_until

from ..flows import ask, conversations, moved_since
from ..links import Link
from ..namespaces import Network
from ..peers import Peer, Variant
from ..peers.gateway import GatewayPair
from ..peers.trio import GatewayTrio
from .scenario import Effort, Figure, Scenario

CONVERSATIONS = 4
# A link is cut for so long: longer than any failover, and short enough that TCP goes on soon after.
CUT_SECONDS = 3.0
# TCP waits for twice as long as the silence before it tries again: 3 s and 6 more, with a margin.
PATIENCE = 15.0
# Longer than it takes to notice anything.
SETTLING_SECONDS = 1.0
# New connections are asked for during so long after a fault.
ASKING_SECONDS = 2.5
# Between faults, so that none is in step with anything.
REST = (0.2, 1.0)
FIGURES = (Figure("stall_p50_ms", "stall p50", "ms", digits=0), Figure("stall_p99_ms", "p99", "ms", digits=0),
           Figure("stall_longest_ms", "longest", "ms", digits=0, compare=False),
           Figure("broken", "broken or not back", "", digits=0, compare=False),
           Figure("counted", "of", "", "more", 0, False))


def figures(stalls: Iterable[float], broken: int) -> dict[str, object]:
    """Of silences in seconds; those that broke have none."""
    ordered = sorted(stalls)
    result: dict[str, object] = {"broken": broken, "counted": len(ordered) + broken,
                                 "stalls_ms": [round(each * 1000, 1) for each in ordered]}
    if ordered:
        def at(part: float) -> float:
            return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000
        result.update(stall_p50_ms=at(0.5), stall_p99_ms=at(0.99), stall_longest_ms=ordered[-1] * 1000)
    return result


class OpenConnections(Scenario):
    """Conversations go on while something happens to what is below them, again and again."""

    figures = FIGURES
    exclusive = True
    default_peers = ("dx", "direct", "ssh")

    def settings(self, network: Network) -> Mapping[str, str]:
        return {"roams": "yes"}

    def begin(self, network: Network, peer: Peer) -> object:
        """The fault; what `end` has to know."""
        raise NotImplementedError

    def end(self, network: Network, peer: Peer, begun: object) -> None:
        """All is well again."""

    def between(self, network: Network, peer: Peer) -> None:
        """Until the next fault may come."""

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        chance, stalls, broken = random.Random(11), [], 0
        with conversations(network.lab, peer.endpoint, CONVERSATIONS) as flows:
            left = list(flows)
            for _ in range(effort.faults):
                self.between(network, peer)
                time.sleep(chance.uniform(*REST))
                since = time.monotonic()
                begun = self.begin(network, peer)
                self.end(network, peer, begun)
                # What was on the way still comes, and the silence follows.
                time.sleep(SETTLING_SECONDS)
                lost = moved_since(left, time.monotonic(), PATIENCE)
                broken += len(lost)
                left = [flow for flow in left if flow not in lost]
                stalls += [flow.silence(since, since) for flow in left]
                if not left:
                    break
        return figures(stalls, broken)


class PathCut(OpenConnections):
    name = "failover-cut"
    title = f"the path in use is cut for {CUT_SECONDS:g} s, and another one is there: silence of open connections"
    default_links = ("twopaths",)
    default_peers = ("dx", "dx-redundant", "dx-aggregate", "direct", "ssh")

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        return super().inapplicable(variant, link) if link.topology == "multipath" else "there is no other path"

    def begin(self, network: Network, peer: Peer) -> object:
        link = self._link_in_use(peer) if isinstance(peer, GatewayPair) else "eth"
        network.lab.link_command(link, "down")
        time.sleep(CUT_SECONDS)
        return link

    def end(self, network: Network, peer: Peer, begun: object) -> None:
        network.lab.link_command(str(begun), "up")

    def between(self, network: Network, peer: Peer) -> None:
        if isinstance(peer, GatewayPair):
            for host in "ab":
                # Of more than two paths those that go out by one network and come back by the other die with either.
                wait_until(lambda: straight(self._paths(peer, host)) == set(LINK), f"both networks answer at {host}", 120.0)

    @staticmethod
    def _paths(peer: GatewayPair, host: str) -> list[dict]:
        return peer.status(host)["peers"][0].get("paths") or []

    def _link_in_use(self, peer: GatewayPair) -> str:
        used = [each["remote"] for each in self._paths(peer, "a") if each["state"] == "used"]
        return "lte" if used and used[0].startswith("198.51.100.") else "eth"


class AddressChanged(OpenConnections):
    """Kernel TCP is bound to its addresses: it comes back only with the old one, which is after `PATIENCE` here."""

    name = "failover-address"
    title = "the origin's only address becomes another one: silence of open connections"
    default_links = ("clean",)

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        if link.topology != "direct" or link.loopback:
            return "the addresses are others there"
        return super().inapplicable(variant, link)

    def begin(self, network: Network, peer: Peer) -> object:
        return self._rename(network, *(("192.0.2.1", "192.0.2.101") if not self._is_moved(network)
                                       else ("192.0.2.101", "192.0.2.1")))

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        try:
            return super().measure(network, peer, effort)
        finally:
            if self._is_moved(network):
                self._rename(network, "192.0.2.101", "192.0.2.1")

    @staticmethod
    def _is_moved(network: Network) -> bool:
        return "192.0.2.101/24" in network.lab.run("a", ["ip", "-4", "address", "show", "dev", "eth0"]).stdout

    @staticmethod
    def _rename(network: Network, old: str, new: str) -> None:
        network.lab.run("a", ["ip", "-batch", "-"], input=f"addr del {old}/24 dev eth0\naddr add {new}/24 dev eth0\n")


class NewConnections(Scenario):
    """New connections are asked for after something has happened to the first of two destinations."""

    figures = FIGURES
    exclusive = True
    default_peers = ("dx", "ssh")
    default_links = ("clean",)

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        if variant.kind is not GatewayPair:
            return "it has one destination: when that is gone nothing is left to be measured"
        return super().inapplicable(variant, link)

    def kind(self, variant: Variant) -> type[Peer]:
        return GatewayTrio

    def asked(self, network: Network, peer: Peer) -> tuple[list[float], int]:
        """Seconds until each was answered, and how many were not."""
        times, lost, end = [], 0, time.monotonic() + ASKING_SECONDS
        while time.monotonic() < end:
            took = ask(network.lab, peer.endpoint)
            if took is None:
                lost += 1
            else:
                times.append(took)
            time.sleep(0.05)
        return times, lost

    def once(self, network: Network, peer: GatewayTrio) -> tuple[list[float], int]:
        """One fault, from both being ready to what it takes to be so again."""
        raise NotImplementedError

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        assert isinstance(peer, GatewayTrio)
        times, lost = [], 0
        for _ in range(effort.faults):
            peer.wait_ready()
            found, missing = self.once(network, peer)
            times += found
            lost += missing
        return figures(times, lost)


class GatewayKilled(NewConnections):
    name = "failover-gateway"
    title = f"kill -9 of the first of two destinations: time to an answer of new connections, for {ASKING_SECONDS:g} s"

    def once(self, network: Network, peer: GatewayTrio) -> tuple[list[float], int]:
        peer.kill()
        found = self.asked(network, peer)
        peer.revive()
        return found


class TargetStopped(NewConnections):
    name = "failover-target"
    title = f"the target of the first of two destinations stops: time to an answer of new connections, for {ASKING_SECONDS:g} s"

    def once(self, network: Network, peer: GatewayTrio) -> tuple[list[float], int]:
        peer.kill_target()
        found = self.asked(network, peer)
        peer.start_target("cloud-1")
        return found


class Drained(NewConnections):
    name = "failover-drain"
    title = "SIGTERM of the first of two destinations: silence of what is open there, and time to an answer of new connections"

    def once(self, network: Network, peer: GatewayTrio) -> tuple[list[float], int]:
        with conversations(network.lab, peer.endpoint, CONVERSATIONS) as flows:
            since = time.monotonic()
            peer.begin_drain()
            times, lost = self.asked(network, peer)
            gone = moved_since(flows, time.monotonic(), PATIENCE)
            stalls = [flow.silence(since, since) for flow in flows if flow not in gone]
        peer.end_drain()
        peer.revive()
        return times + stalls, lost + len(gone)
