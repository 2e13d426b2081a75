"""IPv6 and host names, everywhere an address stands."""

import threading

from harness.data import Pattern, Server, echo
from harness.gateway import ADDRESSES, ADDRESSES_V6, Pair, Tunnel
from harness.lab import check
from harness.runner import test

COUNT = 1_000_000


def exchange(connection, seed):
    """A million bytes there and back."""
    pattern = Pattern(seed)
    sender = threading.Thread(target=pattern.send, args=(connection, COUNT))
    sender.start()
    pattern.receive(connection, COUNT)
    sender.join()


@test(topology="dual")
def ipv6_everywhere(run):
    """Between gateways, at the origin and at the target: IPv6."""
    target, local = run.port(), run.port()
    each = Tunnel("six", f"[::1]:{local}", f"[::1]:{target}")
    with Pair(run.lab, run.directory / "dx", [each], v6=True) as pair, Server(run.lab, "b", target, echo, "::1"):
        with pair.connect(each) as client:
            exchange(client, 41)
        check(not run.lab.listening_v4("a", local), "a listener for [::1] was opened on IPv4")
    return "1 MB over [::1] - UDP over IPv6 - [::1]"


@test(topology="dual")
def ipv6_and_ipv4_mixed(run):
    """One end of a tunnel IPv6, the other IPv4, over a channel of IPv4."""
    first, second = run.port(), run.port()
    up = Tunnel("up", f"[::1]:{run.port()}", f"127.0.0.1:{first}")
    down = Tunnel("down", f"127.0.0.1:{run.port()}", f"[::1]:{second}", origin="b")
    with (Pair(run.lab, run.directory / "dx", [up, down]) as pair,
          Server(run.lab, "b", first, echo), Server(run.lab, "a", second, echo, "::1")):
        for seed, each in enumerate((up, down)):
            with pair.connect(each) as client:
                exchange(client, 42 + seed)
    return "[::1] to 127.0.0.1 and 127.0.0.1 to [::1]"


@test(topology="dual")
def host_names(run):
    """Names for the peer, the local listener and the target."""
    run.lab.set_hosts("a", {"localhost": "127.0.0.1", "cloud.dx.test": ADDRESSES["b"]})
    run.lab.set_hosts("b", {"localhost": "127.0.0.1", "app.dx.test": "127.0.0.1"})
    target = run.port()
    each = Tunnel("named", f"localhost:{run.port()}", f"app.dx.test:{target}")
    with (Pair(run.lab, run.directory / "dx", [each], address="cloud.dx.test") as pair,
          Server(run.lab, "b", target, echo)):
        with pair.connect(each) as client:
            exchange(client, 44)
    return "1 MB: localhost - cloud.dx.test - app.dx.test"


@test(topology="dual")
def host_name_ipv6(run):
    """A peer's name that has only an IPv6 address."""
    run.lab.set_hosts("a", {"six.dx.test": ADDRESSES_V6["b"]})
    target = run.port()
    each = Tunnel("named6", run.port(), target)
    with (Pair(run.lab, run.directory / "dx", [each], address="six.dx.test") as pair,
          Server(run.lab, "b", target, echo)):
        with pair.connect(each) as client:
            exchange(client, 45)
    return "1 MB: six.dx.test"


@test(topology="direct", cells=("clean",))
def ipv4_only(run):
    """`listen: 0.0.0.0:PORT` is IPv4 alone, and `:0` works on hosts that have no IPv6."""
    target = run.port()
    each = Tunnel("four", run.port(), target)
    pair = Pair(run.lab, run.directory / "dx", [each], start=False)
    pair.b.listen = "0.0.0.0:7700"
    pair.a.listen = ":0"
    pair.rewrite()
    with pair, Server(run.lab, "b", target, echo):
        pair.b.start()
        pair.a.start()
        pair.wait_ready()
        with pair.connect(each) as client:
            exchange(client, 46)
        check(not run.lab.udp_bound("a", 7701), "listen :0 took the port that is usual here")
    return "1 MB with 0.0.0.0:7700 and :0"
