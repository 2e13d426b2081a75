"""Two flows at one bottleneck: of the same kind, and beside the kernel's TCP."""

from __future__ import annotations

from ..links import Link
from ..namespaces import Network
from ..peers import PEERS, Peer, Variant
from .pairs import at_once
from .scenario import Effort, Figure, Scenario, jain

BESIDE = {"cubic": "direct", "bbr": "direct-bbr"}
# Gateways of either kind in one mix.
MIXED = {"dx-cubic": "dx-bbr", "dx-bbr": "dx-cubic"}


class Fairness(Scenario):
    """Half of what both got together is a fair share, so a share of 20 % of it is a tenth of the sum."""

    name = "fairness"
    title = "two flows at one bottleneck"
    figures = (Figure("jain_like", "two of a kind, Jain's index", "", "more", 3),
               Figure("like_mbit_per_second", "together", "Mbit/s", "more", 1, False),
               Figure("share_beside_cubic", "beside kernel CUBIC: its part of a fair share", "%", "more", 0),
               Figure("cubic_share", "and that CUBIC's", "%", "more", 0, False),
               Figure("share_beside_bbr", "beside kernel BBR: its part of a fair share", "%", "more", 0),
               Figure("bbr_share", "and that BBR's", "%", "more", 0, False),
               Figure("share_beside_gateways", "CUBIC and BBR gateways in one mix: its part", "%", "more", 0, False))
    exclusive = True
    default_links = ("interactive",)

    def inapplicable(self, variant: Variant, link: Link) -> str | None:
        if link.rate("down") is None:
            return "the link has no bottleneck"
        return super().inapplicable(variant, link)

    def measure(self, network: Network, peer: Peer, effort: Effort) -> dict[str, object]:
        second = PEERS[peer.name].make(network, "-second")
        try:
            second.start()
            alike = at_once(network, [peer, second], effort.goodput_seconds)
        finally:
            second.stop()
        result: dict[str, object] = {"jain_like": jain(alike), "like_mbit_per_second": sum(alike), "alike": alike}
        beside = dict(BESIDE)
        if peer.name in MIXED:
            beside["gateways"] = MIXED[peer.name]
        for kind, name in beside.items():
            if PEERS[name].unavailable(network.link):
                continue
            network.settle()
            other = PEERS[name].make(network, "-beside")
            try:
                other.start()
                ours, theirs = at_once(network, [peer, other], effort.goodput_seconds)
            finally:
                other.stop()
            if ours + theirs > 0:
                result[f"share_beside_{kind}"] = 200 * ours / (ours + theirs)
                result[f"{kind}_share"] = 200 * theirs / (ours + theirs)
        return result
