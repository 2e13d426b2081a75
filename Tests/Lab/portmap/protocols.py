"""Each protocol alone: a port is mapped, reached from outside, renewed, and closed at the end."""

from harness.lab import check
from harness.runner import test

from .probe import PORT, Outside, Probe
from .router import PUBLIC, PUBLIC_V6_A, Router

TOPOLOGY = "nat-linux-none"
INSIDE = f"192.168.1.10:{PORT}"


def life(run, router, protocol, lifetime, renew):
    """From the first request to the last; `renew(probe)` waits for a renewal."""
    outside = Outside(run.lab)
    check(not outside.reaches(PUBLIC, PORT, 0.5), "the port is open before anybody asked")
    probe = Probe(run)
    _, seconds = probe.wait(rf"mapped {PORT} {PUBLIC}:{PORT} {lifetime} {protocol}", 15.0)
    router.check_opened({PORT: INSIDE})
    check(outside.reaches(PUBLIC, PORT), "a packet from outside does not come in, or its answer not back")
    renew(probe)
    check(outside.reaches(PUBLIC, PORT), "after the renewal a packet does not come in")
    check(not probe.lines("lost") and len(probe.lines("mapped")) == 1, f"it said: {probe.process.output()!r}")
    probe.stop()
    router.check_opened({})
    check(not outside.reaches(PUBLIC, PORT, 0.5), "the port is open after the end")
    return f"mapped after {seconds:.2f} s"


def by_time(lifetime, protocol):
    """Two renewals: the router would have forgotten the mapping but for the first."""
    return lambda probe: probe.wait(rf"renewed {PORT} {PUBLIC}:{PORT} {lifetime} {protocol}", lifetime * 2.0, count=2)


@test(topology=TOPOLOGY, cells=("clean",))
def pcp(run):
    """PCP: two renewals within lifetimes of 12 s."""
    return life(run, Router(run, control=True, lifetime=12), "PCP", 12, by_time(12, "PCP"))


def by_hand(protocol):
    """Where miniupnpd grants two hours whatever its configuration says, half of that is too long for a test."""
    def renew(probe):
        probe.ask_again()
        probe.wait(rf"renewed {PORT} {PUBLIC}:{PORT} 7200 {protocol}", 10.0)
    return renew


@test(topology=TOPOLOGY, cells=("clean",))
def nat_pmp(run):
    """NAT-PMP, where PCP gets no answer."""
    return life(run, Router(run, control=True, pcp=False), "NAT-PMP", 7200, by_hand("NAT-PMP"))


@test(topology=TOPOLOGY, cells=("clean",))
def upnp_version_2(run):
    """UPnP-IGD version 2 (AddAnyPortMapping)."""
    return life(run, Router(run, upnp=True), "UPnP-IGD", 7200, by_hand("UPnP-IGD"))


@test(topology=TOPOLOGY, cells=("clean",))
def upnp_version_1(run):
    """UPnP-IGD version 1 (AddPortMapping)."""
    return life(run, Router(run, upnp=True, version_1=True), "UPnP-IGD", 7200, by_hand("UPnP-IGD"))


@test(topology=TOPOLOGY, cells=("clean",))
def pcp_opens_ipv6(run):
    """PCP of both families at once: a NAT's port, and a hole in the filter of IPv6."""
    router = Router(run, control=True, v6=True)
    v4, v6 = Outside(run.lab), Outside(run.lab, v6=True)
    check(not v6.reaches(PUBLIC_V6_A, PORT, 0.5), "the port is open before anybody asked")
    probe = Probe(run)
    probe.wait(rf"mapped {PORT} {PUBLIC}:{PORT} 7200 PCP", 15.0)
    probe.wait(rf"mapped {PORT} \[{PUBLIC_V6_A}\]:{PORT} 7200 PCP", 15.0)
    check(v4.reaches(PUBLIC, PORT) and v6.reaches(PUBLIC_V6_A, PORT), "a packet from outside does not come in")
    check(router.holes() == 1, f"{router.holes()} holes: {router.log()}")
    probe.stop()
    router.check_opened({})
    check(router.holes() == 0, f"{router.holes()} holes are left: {router.log()}")
    check(not v6.reaches(PUBLIC_V6_A, PORT, 0.5), "the port is open after the end")
    return "reached by both families"


@test(topology=TOPOLOGY, cells=("clean",))
def a_router_without_any(run):
    """A router that knows none of them: it is said after nine seconds."""
    probe = Probe(run)
    _, seconds = probe.wait(r"unavailable IPv4 PCP: no answer; NAT-PMP: no answer; UPnP-IGD: no answer", 20.0)
    probe.stop()
    return f"said after {seconds:.1f} s"
