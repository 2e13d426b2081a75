"""The links of the suite: what lies between the two hosts."""

from __future__ import annotations

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Link:
    """`emulation` is a LAB_LINK of Tests/Lab/README.md; None is a plain veth pair.

    Host a is the origin's (the device, the client), host b the destination's. `fwd` is a to b.
    """

    name: str
    title: str
    emulation: str | None = None
    mtu: int = 1500
    loopback: bool = False
    topology: str = "direct"       # of Tests/Lab; "multipath" has two links, eth and lte, and `emulation` is of the first

    @property
    def clean(self) -> bool:
        return self.emulation is None

    def _number(self, key: str, direction: str) -> float | None:
        found = None
        for item in (self.emulation or "").split(","):
            match = re.fullmatch(rf"(?:(fwd|rev)\.)?{key}=([\d.]+).*", item)
            if match and match.group(1) in (None, direction):
                found = float(match.group(2))
        return found

    def rate(self, direction: str) -> float | None:
        """Mbit/s of IP bytes; `direction` is down (b to a) or up; None: unlimited."""
        return self._number("rate", "rev" if direction == "down" else "fwd")

    @property
    def round_trip_ms(self) -> float:
        return (self._number("delay", "fwd") or 0) + (self._number("delay", "rev") or 0)


# Rates, delays and losses of the ladder follow the profiles that iroh and other projects test with. Loss is
# on each way. Without a `queue` it is 100 ms long.
LINKS = {link.name: link for link in (
    Link("clean", "two namespaces, veth, MTU 1500"),
    Link("jumbo", "two namespaces, veth, MTU 9000", mtu=9000),
    Link("loopback", "one namespace, loopback, MTU 65536", mtu=65536, loopback=True),
    Link("nogso", "an emulated link without impairment: no GSO, no GRO", "on"),
    Link("lossless", "100 Mbit/s, 80 ms round trip", "delay=40,rate=100"),
    Link("wifi", "good Wi-Fi: 100 Mbit/s, 16 ms, 2 ms of jitter, 0.1 % loss", "delay=8,jitter=2,loss=0.1,rate=100"),
    Link("lte", "LTE: 50 Mbit/s down, 15 up, 50 ms, 8 ms of jitter, 0.1 % loss, 200 ms queue",
         "delay=25,jitter=8,loss=0.1,rev.rate=50,fwd.rate=15,queue=200"),
    # ge=P:R: good to bad, bad to good. P/(P+R) of all packets are lost, in runs of 100/R.
    Link("cellular", "congested cellular: 1.5 Mbit/s, 300 ms, 5 % loss in bursts, 500 ms queue",
         "delay=150,ge=1.3:25,rate=1.5,queue=500"),
    Link("satellite", "geostationary satellite: 20 Mbit/s, 600 ms, 0.5 % loss, 300 ms queue",
         "delay=300,loss=0.5,rate=20,queue=300"),
    Link("loss1", "100 Mbit/s, 80 ms, 1 % random loss", "delay=40,loss=1,rate=100"),
    Link("loss5", "100 Mbit/s, 80 ms, 5 % random loss", "delay=40,loss=5,rate=100"),
    Link("bursty", "100 Mbit/s, 80 ms, 1 % loss in bursts of 4", "delay=40,ge=0.25:25,rate=100"),
    Link("bufferbloat", "20 Mbit/s, 40 ms, 1 s queue", "delay=20,rate=20,queue=1000"),
    Link("interactive", "50 Mbit/s, 40 ms", "delay=20,rate=50"),
    Link("twopaths", "two links: 100 Mbit/s with 10 ms of round trip, and 20 Mbit/s with 60 ms", "delay=5,rate=100",
         topology="multipath"),
)}
CLEAN = tuple(link.name for link in LINKS.values() if link.clean)
LADDER = tuple(link.name for link in LINKS.values() if link.rate("down") is not None and link.topology == "direct")
