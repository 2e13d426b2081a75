"""miniupnpd on the lab's router `ra`, with the kernel's NAT and nftables."""

import contextlib
import re
import time

from harness.lab import check, wait_until

# miniupnpd maps no port where its outside is of a range for documentation, as all addresses of the lab are. In these namespaces
# any other one does.
PUBLIC, OTHER_PUBLIC = "11.0.0.10", "11.0.0.11"
OUTSIDE = "203.0.113.10"
PUBLIC_V6_A = "2001:db8:1::10"

RULES = """
insert rule ip filter forward iifname "wan0" ct status dnat accept
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy accept
        jump miniupnpd
        iifname "wan0" meta nfproto ipv6 ct state new drop
    }
    chain miniupnpd { }
    chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
"""
# The version is the first byte behind the UDP header: a router that does not know PCP.
WITHOUT_PCP = """
table inet dropped {
    chain input { type filter hook input priority -10; policy accept; udp dport 5351 @th,64,8 2 drop; }
}
"""


class Router:
    """A miniupnpd, its configuration and its rules. Ends with the test."""

    def __init__(self, run, *, control=False, upnp=False, version_1=False, pcp=True, lifetime=86400, public=PUBLIC, v6=False):
        """`control`: PCP and NAT-PMP, which it has together; without `pcp`, its packets are dropped. `lifetime`: the longest."""
        self.lab, self.directory = run.lab, run.directory
        self.control, self.upnp, self.version_1, self.lifetime, self.v6 = control, upnp, version_1, lifetime, v6
        self.public = public
        self.process = None
        self.starts = 0
        for address in (PUBLIC, OTHER_PUBLIC):
            self.lab.run("ra", ["ip", "addr", "replace", f"{address}/32", "dev", "wan0"])
        self._nft(RULES)
        self.lab.at_end(lambda: self._nft("delete table inet filter"))
        if not pcp:
            self._nft(WITHOUT_PCP)
            self.lab.at_end(lambda: self._nft("delete table inet dropped"))
        if v6:
            self._add_v6()
        self.start()

    def _nft(self, text):
        self.lab.run("ra", ["nft", "-f", "-"], input=text)

    def _add_v6(self):
        """IPv6 on a's link, and a way to the internet without a NAT."""
        for host, interface, address in (
                ("ra", "lan0", "2001:db8:1::1/64"), ("ra", "wan0", "2001:db8:2::1/64"), ("a", "eth0", f"{PUBLIC_V6_A}/64"),
                ("m1", "eth0", "2001:db8:2::11/64")):
            self.lab.run(host, ["sysctl", "-q", f"net.ipv6.conf.{interface}.disable_ipv6=0"])
            self.lab.run(host, ["ip", "addr", "replace", address, "dev", interface, "nodad"])
        self.lab.run("ra", ["sysctl", "-q", "net.ipv6.conf.all.forwarding=1"])

        def link_local():
            said = self.lab.run("ra", ["ip", "-6", "addr", "show", "dev", "lan0", "scope", "link"]).stdout
            found = re.search(r"inet6 (fe80::[0-9a-f:]+)", said)
            return found and "tentative" not in said and found.group(1)
        router = wait_until(link_local, "the router has an address of its link", 10.0)[0]
        self.lab.run("a", ["ip", "-6", "route", "replace", "default", "via", router, "dev", "eth0"])
        self.lab.run("m1", ["ip", "-6", "route", "replace", "2001:db8:1::/64", "via", "2001:db8:2::1"])

        def undo():
            for host, interface in (("a", "eth0"), ("ra", "lan0"), ("ra", "wan0"), ("m1", "eth0")):
                self.lab.run(host, ["sysctl", "-q", f"net.ipv6.conf.{interface}.disable_ipv6=1"])
        self.lab.at_end(undo)

    def start(self):
        """Starts it; it has what the rules say, and no memory of what it did before."""
        self.starts += 1
        def yes(value):
            return "yes" if value else "no"
        configuration = self.directory / f"miniupnpd-{self.starts}.conf"
        configuration.write_text("\n".join([
            "ext_ifname=wan0", f"ext_ip={self.public}" if self.public else "", "listening_ip=lan0", "http_port=0",
            f"enable_natpmp={yes(self.control)}", f"enable_upnp={yes(self.upnp)}",
            f"force_igd_desc_v1={yes(self.version_1)}", "min_lifetime=10", f"max_lifetime={self.lifetime}", "secure_mode=yes",
            f"ipv6_disable={yes(not self.v6)}", "system_uptime=no", "uuid=00000000-0000-0000-0000-000000000001", "serial=1", ""]))
        self.started = time.monotonic()
        self.process = self.lab.start(
            "ra", ["miniupnpd", "-d", "-f", configuration, "-P", self.directory / "miniupnpd.pid"], "miniupnpd",
            self.directory / f"miniupnpd-{self.starts}.log")
        wait_until(
            lambda: ("Listening for NAT-PMP/PCP" in self.process.output() or not self.control)
            and ("HTTP listening" in self.process.output() or not self.upnp),
            "miniupnpd listens", 10.0, alive=[self.process])

    def crash(self):
        """It is gone, and so is what it had opened: a router that restarts."""
        # By RFC 6887 §8.5 an epoch that is two seconds off says nothing, and the new one begins with 0.
        wait_until(lambda: time.monotonic() > self.started + 5, "its epoch is one that a restart can be told by", 10.0)
        self.process.kill9()
        for chain in ("prerouting_miniupnpd", "postrouting_miniupnpd", "miniupnpd"):
            self._nft(f"flush chain inet filter {chain}")

    def opened(self):
        """The ports outside that are open, with where they lead: {port: "address:port"}."""
        said = self.lab.run("ra", ["nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd"]).stdout
        return {int(port): target for port, target in re.findall(r"dport (\d+) dnat ip to ([\d.]+:\d+)", said)}

    def holes(self):
        """How many rules let something of IPv6 in."""
        said = self.lab.run("ra", ["nft", "list", "chain", "inet", "filter", "miniupnpd"]).stdout
        return len([line for line in said.splitlines() if "accept" in line and "@nh" in line and ",128 " in line])

    def check_opened(self, expected):
        found = self.opened()
        check(found == expected, f"open are {found}, not {expected}: {self.log()}")

    def log(self):
        """The end of what miniupnpd said."""
        with contextlib.suppress(OSError):
            return self.process.output()[-800:]
        return ""
