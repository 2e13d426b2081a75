"""Small messages there and back: idle, and while bulk fills the same way."""

from __future__ import annotations

import concurrent.futures
import time

from ..links import Link
from ..namespaces import SERVER_PORT, Network
from ..peers import Peer, Variant
from .scenario import Effort, Figure, Scenario, megabits

INTERVAL_MS = 5


def percentiles(times: dict[str, float]) -> dict[str, object]:
    return {f"{name}_ms": times[name] / 1000 for name in ("p50", "p99", "p999") if name in times}


class EchoIdle(Scenario):
    name = "echo"
    title = "echo of 64 bytes each 5 ms, nothing else under way"
    figures = (Figure("p50_ms", "p50", "ms", digits=3), Figure("p99_ms", "p99", "ms", digits=3),
               Figure("p999_ms", "p99.9", "ms", digits=3))
    default_links = ("clean", "interactive", "wifi", "loss1")

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        return None          # plain UDP too

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        network.settle()
        kind = "tcp" if peer.carries_tcp else "udp"
        said = network.load("echo", peer.endpoint, kind, INTERVAL_MS, effort.echo_seconds, seconds=effort.echo_seconds)
        return {**percentiles(said["rtt_us"]), "lost": said["sent"] - said["answered"], **said}


class EchoUnderBulk(EchoIdle):
    """The row of plain UDP is measured on the idle link: what the link and the machine's noise are alone."""

    name = "echo-bulk"
    title = "echo of 64 bytes each 5 ms while one bulk stream comes the same way (plain UDP: on the idle link)"
    figures = (*EchoIdle.figures, Figure("udp_beside_p99_ms", "plain UDP echo beside it, p99", "ms", digits=1, compare=False),
               Figure("bulk_mbit_per_second", "bulk", "Mbit/s", "more", 1))
    default_links = ("clean", "interactive", "bufferbloat")

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        if not peer.carries_tcp:
            return super().measure(network, peer, effort)
        network.settle()
        # Bulk needs some round trips to reach its speed before the echo starts.
        start_up = max(1.0, 20 * network.link.round_trip_ms / 1000)
        seconds = effort.echo_seconds
        with concurrent.futures.ThreadPoolExecutor() as pool:
            bulk = pool.submit(network.load, "stream", peer.endpoint, "down", 1, start_up + seconds + 1.0,
                               seconds=start_up + seconds)
            time.sleep(start_up)
            beside = pool.submit(network.load, "echo", (network.cubic.b, SERVER_PORT), "udp", 4 * INTERVAL_MS, seconds)
            said = network.load("echo", peer.endpoint, "tcp", INTERVAL_MS, seconds, seconds=seconds)
            udp, moved = beside.result(), bulk.result()
        result = {**percentiles(said["rtt_us"]), **said, "bulk_mbit_per_second": megabits(moved["down"]), "udp_beside": udp}
        if udp["rtt_us"]["count"]:
            result["udp_beside_p99_ms"] = udp["rtt_us"]["p99"] / 1000
        return result
