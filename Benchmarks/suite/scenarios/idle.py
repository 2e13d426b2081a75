"""What a peer that carries nothing takes: memory, and traffic."""

from __future__ import annotations

import time

from ..links import Link
from ..namespaces import Network
from ..peers import Peer, Variant
from .scenario import Effort, Figure, Scenario

# Until what start-up needed is given back.
QUIET_SECONDS = 2.0


class Idle(Scenario):
    exclusive = True

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        return super().inapplicable(variant, link) if variant.kind.has_ends else ""


class IdleMemory(Idle):
    name = "idle-memory"
    title = "resident memory, idle, one tunnel that carried a few bytes"
    figures = (Figure("origin_mb", "origin", "MB", digits=1), Figure("destination_mb", "destination", "MB", digits=1))

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        time.sleep(QUIET_SECONDS)
        return {f"{end}_mb": count / 1e6 for end, count in peer.resident().items()}


class IdleTraffic(Idle):
    name = "idle-traffic"
    title = "IP bytes both ways while idle, scaled to an hour"
    figures = (Figure("bytes_per_hour", "per hour", "bytes", digits=0),)

    most_runs = 1

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        time.sleep(QUIET_SECONDS)
        before, start = network.device_bytes(), time.monotonic()
        time.sleep(effort.idle_seconds)
        count, seconds = network.device_bytes() - before, time.monotonic() - start
        return {"bytes_per_hour": count * 3600 / seconds, "window_seconds": seconds, "bytes": count}
