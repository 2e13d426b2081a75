"""Bulk bytes over an unimpaired link, and what they cost."""

from __future__ import annotations

from .. import cpu
from ..namespaces import Network
from ..peers import Peer
from .scenario import Effort, Figure, Scenario, jain, megabits

NAMES = {"down": "from the destination's side", "up": "from the origin's side", "both": "in both directions at once"}


class Throughput(Scenario):
    figures = (Figure("gbit_per_second", "throughput", "Gbit/s", "more"),
               Figure("cpu_s_per_gb", "CPU, both ends", "s/GB"),
               Figure("origin_cpu_s_per_gb", "origin", "s/GB", compare=False),
               Figure("destination_cpu_s_per_gb", "destination", "s/GB", compare=False),
               Figure("system_cpu_s_per_gb", "CPU, whole system", "s/GB"))
    warm_up = True

    def __init__(self, name: str, streams: int, direction: str, links: tuple[str, ...] = ("clean",)) -> None:
        self.name, self.streams, self.direction, self.default_links = name, streams, direction, links
        count = "one TCP stream" if streams == 1 else f"{streams} TCP streams"
        if direction == "both" and streams == 1:
            count = "one TCP stream each way"
        self.title = f"{count}, {NAMES[direction]}"

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        meter = cpu.Meter(peer.groups())
        moved = network.load("stream", peer.endpoint, self.direction, self.streams, effort.seconds, seconds=effort.seconds)
        spent = meter.stop()
        ways = [moved[way] for way in ("down", "up") if way in moved]
        result: dict[str, object] = {"gbit_per_second": sum(map(megabits, ways)) / 1000,
                                     **spent.per_gigabyte(sum(way["bytes"] for way in ways)),
                                     "stolen_s": spent.stolen, "unfinished": sum(way["unfinished"] for way in ways)}
        if not peer.groups():
            del result["cpu_s_per_gb"]            # nothing of its own runs
        if self.streams > 1:
            result["jain"] = min(jain(way["per_stream"]) for way in ways)
        if len(ways) == 2:
            result.update(down_gbit_per_second=megabits(moved["down"]) / 1000, up_gbit_per_second=megabits(moved["up"]) / 1000)
        return result
