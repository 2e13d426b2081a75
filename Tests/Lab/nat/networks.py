"""What stands before a gateway in each network of the lab, and what theory says of two of them."""

import dataclasses

KINDS = ("none", "cone", "restricted", "portrestricted", "double", "linux", "symmetric", "linuxrandom", "udpblocked")
# Another outside port for each destination: nobody can foresee the one towards the peer.
HARD = ("symmetric", "linuxrandom")
# In comes only what was sent to, address and port.
STRICT = ("portrestricted", "double", "linux")

# Where the internet sees the gateways (Tests/Lab/README.md), and where they are.
PUBLIC = {"a": "203.0.113.10", "b": "198.51.100.10"}
INSIDE = {"a": "192.168.1.10", "b": "192.168.2.10"}
NEIGHBOURS = {"a": "192.168.1.10", "b": "192.168.1.20"}
MATCHMAKERS = {"m1": ("192.0.2.11", "192.0.2.12"), "m2": ("192.0.2.21", "192.0.2.22")}

DIRECT, GUESSED, IMPOSSIBLE = "direct", "guessed", "impossible"
# The words by which a gateway names why there is no way (`NATVerdict.Reason`).
BOTH_HARD = "both NATs choose outside ports that cannot be foreseen"
NO_UDP = ("this network lets no UDP out", "the peer's network lets no UDP out")
# Whose network lets no UDP out is at no matchmaker: the other one knows no more than that.
NOT_THERE = "it is not registered with any of the group's matchmakers"
NO_HAIRPIN = "both are behind one NAT which turns nothing back, and neighbours are kept apart"


@dataclasses.dataclass(frozen=True)
class Theory:
    """What must become of two networks: `way`, and for `IMPOSSIBLE` the words for it, at a and at b; any of each."""

    way: str
    reasons: tuple = ((), ())


def theory(first, second):
    """Two kinds of network. The same table as in `MatrixTests`, from the two rules of docs/matchmaking.md §8."""
    if "udpblocked" in (first, second):
        return Theory(IMPOSSIBLE, tuple(
            (NO_UDP[0],) if mine == "udpblocked" else (NO_UDP[1], NOT_THERE)
            for mine in (first, second)))
    hard = [kind for kind in (first, second) if kind in HARD]
    if len(hard) == 2:
        return Theory(IMPOSSIBLE, ((BOTH_HARD,), (BOTH_HARD,)))
    if hard and any(kind in STRICT for kind in (first, second)):
        return Theory(GUESSED)
    return Theory(DIRECT)
