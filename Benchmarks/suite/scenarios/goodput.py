"""One stream over an impaired link, from its first SYN on, and the queue that it makes."""

from __future__ import annotations

import concurrent.futures

from ..links import LADDER
from ..namespaces import SERVER_PORT, Network
from ..peers import Peer
from .scenario import Effort, Figure, Scenario, megabits

# Often enough to see a queue, too seldom to be one: 64 bytes each 20 ms are 37 kbit/s with headers.
ECHO_INTERVAL_MS = 20
IDLE_SECONDS = 1.0


class Goodput(Scenario):
    name = "goodput"
    title = "one TCP stream from its start, from the destination's side"
    figures = (Figure("mbit_per_second", "goodput", "Mbit/s", "more", 1),
               Figure("percent_of_rate", "of the link's rate", "%", "more", 1, False),
               Figure("added_delay_p95_ms", "delay added to a plain UDP echo beside it, p95", "ms", "less", 1))
    default_links = LADDER

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        network.settle()
        seconds, plain = effort.goodput_seconds, (network.cubic.b, SERVER_PORT)
        idle = network.load("echo", plain, "udp", ECHO_INTERVAL_MS, IDLE_SECONDS)["rtt_us"]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            beside = pool.submit(network.load, "echo", plain, "udp", ECHO_INTERVAL_MS, seconds, seconds=seconds)
            moved = network.load("stream", peer.endpoint, "down", 1, seconds, "connect", seconds=seconds)
            busy = beside.result()["rtt_us"]
        rate = network.link.rate("down")
        result: dict[str, object] = {"mbit_per_second": megabits(moved["down"]), "idle_rtt_us": idle, "rtt_beside_us": busy}
        if rate:
            result["percent_of_rate"] = 100 * megabits(moved["down"]) / rate
        if idle["count"] and busy["count"]:
            # Against the idle median: its own tail is this machine's noise.
            result["added_delay_p95_ms"] = (busy["p95"] - idle["p50"]) / 1000
        return result
