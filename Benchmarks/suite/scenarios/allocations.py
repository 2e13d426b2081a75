"""Allocations per packet of the whole gateway process."""

from __future__ import annotations

from collections.abc import Mapping

from ..alloccount import is_ours, read, read_stacks, sample_from_now_on, wanted_by
from ..links import Link
from ..namespaces import Network
from ..peers import Peer, Variant
from ..peers.gateway import GatewayPair
from ..symbols import named
from ..tools import tool
from .scenario import Effort, Figure, Scenario, megabits

# One of so many allocations has its callers looked up.
SAMPLE_EVERY = 3

class Allocations(Scenario):
    """`clean` has GSO and GRO; `nogso` is the same without, so a system call carries less."""

    name = "allocations"
    title = "calls of malloc and its kin for each packet sent or received, one stream, steady state"
    figures = (Figure("origin_per_packet", "origin", "/packet", digits=4),
               Figure("destination_per_packet", "destination", "/packet", digits=4),
               Figure("origin_ours_per_packet", "of that by our own code: origin", "/packet", digits=4),
               Figure("destination_ours_per_packet", "destination", "/packet", digits=4),
               Figure("origin_bytes_per_packet", "origin, bytes asked for", "/packet", digits=1),
               Figure("destination_bytes_per_packet", "destination", "/packet", digits=1))
    exclusive = True
    default_links = ("clean", "nogso")

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        # Packets are counted by the gateway's own status.
        return None if variant.kind is GatewayPair else ""

    def settings(self, network: Network) -> Mapping[str, str]:
        return {"preload": str(tool("liballoccount.so")), "preload_file": str(network.directory / "allocations")}

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        assert isinstance(peer, GatewayPair)
        network.load("stream", peer.endpoint, "down", 1, 1.0)         # buffers grow to their size
        files = {host: f"{peer.settings['preload_file']}-{host}" for host in "ab"}
        # Asking for the status allocates too: the difference between two in a row is what a question costs.
        asked = [self._snapshot(peer, files) for _ in range(2)]
        for file in files.values():
            sample_from_now_on(file, SAMPLE_EVERY)
        moved = network.load("stream", peer.endpoint, "down", 1, effort.seconds, seconds=effort.seconds)["down"]
        after = self._snapshot(peer, files)
        ours = {host: self._ours(peer, host, file) for host, file in files.items()}
        result: dict[str, object] = {"gbit_per_second": megabits(moved) / 1000}
        for host, end in (("a", "origin"), ("b", "destination")):
            question, before, now = asked[0][host], asked[1][host], after[host]
            packets = now[0] - before[0]
            for index, key in ((1, "per_packet"), (2, "bytes_per_packet")):
                count = now[index] - before[index] - (before[index] - question[index])
                result[f"{end}_{key}"] = max(0, count) / max(1, packets)
            result[f"{end}_packets"] = packets
            result[f"{end}_ours_per_packet"] = float(str(result[f"{end}_per_packet"])) * ours[host]
        return result

    @staticmethod
    def _ours(peer: GatewayPair, host: str, file: str) -> float:
        """The part of the allocations that our own functions asked for, directly or by a container."""
        end = "origin" if host == "a" else "destination"
        total = ours = 0
        for stack, count in named(peer.ends[end][0].pid, read_stacks(file)).items():
            total += count
            ours += count if is_ours(wanted_by(stack)) else 0
        return ours / total if total else 0.0

    @staticmethod
    def _snapshot(peer: GatewayPair, files: Mapping[str, str]) -> dict[str, tuple[int, int, int]]:
        """(packets, allocations, bytes) of either gateway."""
        seen = {}
        for host, file in files.items():
            packets = peer.packets(host)
            counts = read(file)
            seen[host] = (packets, counts.allocations, counts.bytes)
        return seen
