"""Two of the same kind at once: does the second one find the cores that there are?"""

from __future__ import annotations

import concurrent.futures
import itertools

from ..links import Link
from ..namespaces import Network
from ..peers import PEERS, Peer, Variant
from .scenario import Effort, Figure, Scenario, megabits


def at_once(network: Network, peers: list[Peer], seconds: float) -> list[float]:
    """Mbit/s of one stream through each, all at the same time, from their start."""
    with concurrent.futures.ThreadPoolExecutor(len(peers)) as pool:
        jobs = [pool.submit(network.load, "stream", peer.endpoint, "down", 1, seconds, "connect", seconds=seconds)
                for peer in peers]
        return [megabits(job.result()["down"]) for job in jobs]


class TwoPairs(Scenario):
    name = "pairs"
    title = "two pairs of programs, one stream through each, beside one pair"
    figures = (Figure("one_gbit_per_second", "one pair", "Gbit/s", "more"),
               Figure("two_gbit_per_second", "two pairs", "Gbit/s", "more"),
               Figure("two_to_one", "two : one", "x", "more"))
    exclusive = True
    # Each second pair is a new one, with keys of its own.
    numbers = itertools.count(2)

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        return super().inapplicable(variant, link) if variant.kind.has_ends else ""

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        second = PEERS[peer.name].make(network, f"-{next(self.numbers)}")
        try:
            second.start()
            at_once(network, [peer, second], 0.5)
            one, = at_once(network, [peer], effort.seconds)
            two = sum(at_once(network, [peer, second], effort.seconds))
        finally:
            second.stop()
        return {"one_gbit_per_second": one / 1000, "two_gbit_per_second": two / 1000, "two_to_one": two / one}
