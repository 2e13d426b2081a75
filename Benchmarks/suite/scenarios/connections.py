"""How many connections a second."""

from __future__ import annotations

from .. import cpu
from ..namespaces import Network
from ..peers import Peer
from .scenario import Effort, Figure, Scenario

CLIENTS = 16


class ConnectionRate(Scenario):
    name = "connections"
    title = f"{CLIENTS} clients that connect, get one byte, and close"
    figures = (Figure("per_second", "connections", "/s", "more", 0), Figure("p50_ms", "each, p50", "ms"),
               Figure("p99_ms", "each, p99", "ms"), Figure("cpu_us_each", "CPU each, both ends", "us", digits=0),
               Figure("failures", "failures", "", digits=0, compare=False))

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        meter = cpu.Meter(peer.groups())
        said = network.load("connections", peer.endpoint, CLIENTS, effort.seconds, seconds=effort.seconds)
        spent, times = meter.stop(), said["time_us"]
        result: dict[str, object] = {"per_second": times["count"] / said["seconds"], "failures": said["failures"], **said}
        if times["count"]:
            result.update(p50_ms=times["p50"] / 1000, p99_ms=times["p99"] / 1000)
            if peer.groups():
                result["cpu_us_each"] = spent.processes * 1e6 / times["count"]
        return result
