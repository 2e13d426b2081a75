"""What goes over the lab's internet, from whom to whom: counted by the kernel, so that nothing is missed under load."""

import contextlib
import json

# A plain link is a port of the bridge, an emulated one is routed. Where the host has bridged packets pass the rules for routed
# ones too, both tables see them.
RULES = """
table {family} dxcount {{
    set flows {{ type ipv4_addr . ipv4_addr . inet_proto; flags dynamic; counter; size 16384; }}
    chain passing {{
        type filter hook forward priority -200
        {match} update @flows {{ ip saddr . ip daddr . ip protocol }}
    }}
}}
"""
FAMILIES = {"bridge": "meta protocol ip", "ip": "ip version 4"}
UDP = "udp"


class Traffic:
    """Counts all IPv4 that passes a host (`inet`, or a router with neighbours behind it)."""

    def __init__(self, lab, host="inet"):
        self.lab, self.host = lab, host
        rules = "".join(RULES.format(family=family, match=match) for family, match in FAMILIES.items())
        lab.run(host, ["nft", "-f", "-"], input=rules)

    def flows(self):
        """{(source, destination, protocol): (packets, bytes)}; bytes with the headers of IP."""
        found = {}
        for family in FAMILIES:
            said = self.lab.run(self.host, ["nft", "-j", "list", "set", family, "dxcount", "flows"]).stdout
            for entry in json.loads(said)["nftables"]:
                for element in entry.get("set", {}).get("elem", ()):
                    with contextlib.suppress(TypeError, KeyError):
                        key = tuple(str(part) for part in element["elem"]["val"]["concat"])
                        counted = element["elem"]["counter"]
                        found[key] = max(found.get(key, (0, 0)), (counted["packets"], counted["bytes"]))
        return found

    def bytes_between(self, sources, destinations, protocol=None):
        """Bytes from any of `sources` to any of `destinations`."""
        return sum(count for (source, destination, kind), (_, count) in self.flows().items()
                   if source in sources and destination in destinations and protocol in (None, kind))

    def packets_between(self, sources, destinations, protocol=None):
        return sum(count for (source, destination, kind), (count, _) in self.flows().items()
                   if source in sources and destination in destinations and protocol in (None, kind))
