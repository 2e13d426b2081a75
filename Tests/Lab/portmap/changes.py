"""Routers and gateways that restart, other addresses, ports of others."""

import socket
import struct

from harness.lab import check
from harness.runner import test

from .probe import PORT, Outside, Probe
from .protocols import INSIDE, TOPOLOGY
from .router import OTHER_PUBLIC, PUBLIC, Router


def restarted(run, protocol, **options):
    """The router forgets everything and comes back: it tells, and is asked again at once."""
    router = Router(run, control=True, **options)
    outside = Outside(run.lab)
    probe = Probe(run)
    probe.wait(rf"mapped {PORT} {PUBLIC}:{PORT} \d+ {protocol}", 15.0)
    router.crash()
    router.check_opened({})
    router.start()
    # Its lifetime is two hours: only the announcement can be the reason.
    _, seconds = probe.wait(rf"renewed {PORT} {PUBLIC}:{PORT} 7200 {protocol}", 30.0)
    router.check_opened({PORT: INSIDE})
    check(outside.reaches(PUBLIC, PORT), "a packet from outside does not come in")
    probe.stop()
    router.check_opened({})
    return f"mapped again {seconds:.1f} s after the restart"


@test(topology=TOPOLOGY, cells=("clean",))
def a_restarted_router_of_pcp(run):
    """The router restarts and says so by PCP's ANNOUNCE."""
    return restarted(run, "PCP")


@test(topology=TOPOLOGY, cells=("clean",))
def a_restarted_router_of_nat_pmp(run):
    """The router restarts and says so by NAT-PMP's announcement of its address."""
    return restarted(run, "NAT-PMP", pcp=False)


@test(topology=TOPOLOGY, cells=("clean",))
def a_restarted_router_of_upnp(run):
    """The router restarts at another HTTP port: it is looked for again when it is next asked."""
    router = Router(run, upnp=True)
    probe = Probe(run)
    probe.wait(rf"mapped {PORT} {PUBLIC}:{PORT} 7200 UPnP-IGD", 15.0)
    router.crash()
    router.start()
    probe.ask_again()
    probe.wait(rf"renewed {PORT} {PUBLIC}:{PORT} 7200 UPnP-IGD", 15.0)
    router.check_opened({PORT: INSIDE})
    probe.stop()
    router.check_opened({})
    return "found at its new port"


@test(topology=TOPOLOGY, cells=("clean",))
def another_address_outside(run):
    """The provider gives the router another address: the new one is told."""
    router = Router(run, control=True)
    outside = Outside(run.lab)
    probe = Probe(run)
    probe.wait(rf"mapped {PORT} {PUBLIC}:{PORT} 7200 PCP", 15.0)
    router.crash()
    router.public = OTHER_PUBLIC
    router.start()
    _, seconds = probe.wait(rf"mapped {PORT} {OTHER_PUBLIC}:{PORT} 7200 PCP", 30.0)
    check(outside.reaches(OTHER_PUBLIC, PORT), "a packet to the new address does not come in")
    probe.stop()
    return f"told after {seconds:.1f} s"


@test(topology=TOPOLOGY, cells=("clean",))
def a_killed_gateway_comes_back(run):
    """Killed without a chance to delete, it has the same port again at once: the router knows its nonce."""
    router = Router(run, control=True)
    first = Probe(run, "first")
    first.wait(rf"mapped {PORT} {PUBLIC}:{PORT} 7200 PCP", 15.0)
    first.process.kill9()
    router.check_opened({PORT: INSIDE})
    second = Probe(run, "second")
    _, seconds = second.wait(rf"mapped {PORT} {PUBLIC}:{PORT} 7200 PCP", 15.0)
    second.stop()
    router.check_opened({})
    return f"mapped after {seconds:.2f} s"


@test(topology=TOPOLOGY, cells=("clean",))
def the_port_of_another_host(run):
    """Another host has the port outside: another one is given, and works."""
    router = Router(run, control=True)
    run.lab.run("a", ["ip", "addr", "replace", "192.168.1.20/24", "dev", "eth0"])
    run.lab.at_end(lambda: run.lab.run("a", ["ip", "addr", "del", "192.168.1.20/24", "dev", "eth0"]))
    with run.lab.socket("a", socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("192.168.1.20", 0))
        other.settimeout(5.0)
        # NAT-PMP, RFC 6886 section 3.3: UDP, this port inside and outside, an hour.
        other.sendto(struct.pack("!BBHHHI", 0, 1, 0, PORT, PORT, 3600), ("192.168.1.1", 5351))
        result = struct.unpack("!BBHIHHI", other.recvfrom(64)[0])
        check(result[2] == 0 and result[5] == PORT, f"the other host was answered {result}")
    outside = Outside(run.lab)
    probe = Probe(run)
    line, _ = probe.wait(rf"mapped {PORT} {PUBLIC}:\d+ \d+ [A-Za-z-]+", 15.0)
    port = int(line.split()[2].rsplit(":", 1)[1])
    check(port != PORT, f"it was told {line}")
    check(outside.reaches(PUBLIC, port), "a packet to the other port does not come in")
    probe.stop()
    router.check_opened({PORT: f"192.168.1.20:{PORT}"})
    return f"got port {port}"


@test(topology=TOPOLOGY, cells=("clean",))
def a_router_without_an_address(run):
    """The router's own outside is no address of the internet: nothing is told that nobody can reach."""
    Router(run, control=True, upnp=True, public=None)
    probe = Probe(run)
    line, _ = probe.wait(r"unavailable IPv4 .*", 20.0)
    check("no answer" not in line, f"the router answers: {line}")
    check(not probe.lines("mapped"), "it says that it is mapped")
    probe.stop()
    return line.removeprefix("unavailable IPv4 ")


@test(topology=TOPOLOGY, cells=("clean",))
def a_place_elsewhere(run):
    """What answers the search of UPnP names another host than the router: nobody goes there."""
    listener = run.lab.socket("a", socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("0.0.0.0", 5000))
    listener.listen(4)
    listener.settimeout(12.0)
    run.lab.at_end(listener.close)
    stranger = run.lab.socket("ra", socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("0.0.0.0", 1900))
    stranger.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton("239.255.255.250") + socket.inet_aton("192.168.1.1"))
    stranger.settimeout(15.0)
    run.lab.at_end(stranger.close)
    probe = Probe(run)
    request, source = stranger.recvfrom(2048)
    check(request.startswith(b"M-SEARCH * HTTP/1.1\r\n"), f"the search is {request!r}")
    target = [line for line in request.split(b"\r\n") if line.startswith(b"ST: ")][0]
    stranger.sendto(b"HTTP/1.1 200 OK\r\n" + target + b"\r\nLOCATION: http://192.168.1.10:5000/rootDesc.xml\r\n\r\n", source)
    probe.wait(r"unavailable IPv4 .*UPnP-IGD: an answer named another host than the router", 20.0)
    listener.settimeout(0.2)
    try:
        listener.accept()
        raise AssertionError("it asked the stranger")
    except TimeoutError:
        pass
    probe.stop()
    return "not followed"
