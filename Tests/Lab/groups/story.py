"""The life of a group on five hosts."""

import concurrent.futures
import time

from harness.data import Server, echo_until_end, echo_works
from harness.gateway import binary
from harness.lab import check, wait_until
from harness.runner import test

from .fleet import NAMES, Fleet


def grow(run, hosts="abcde", **clocks):
    """Gateways: `a` made the group, `b` is an admin too, the others are members. Some may have clocks of their own."""
    fleet = Fleet(run.lab, run.directory / "fleet")
    fleet.clocks = clocks
    for host in hosts[1:]:
        fleet.join(host, "--role", "admin" if host == "b" else "member", "--label", "site=lab")
    fleet.wait_alike(hosts, hosts)
    return fleet


def nginx(run, host, port):
    """A web server on a host, and what it serves."""
    root = run.directory / f"www-{host}"
    root.mkdir()
    (root / "page").write_text(f"served by {host}\n" * 20_000)
    config = run.directory / f"nginx-{host}.conf"
    config.write_text(f"""
daemon off; master_process off; pid {run.directory}/nginx-{host}.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {root}; }} }}
""")
    process = run.lab.start(host, ["nginx", "-p", run.directory, "-c", config, "-e", "stderr"], f"nginx {host}",
                            run.directory / f"nginx-{host}.log")
    wait_until(lambda: run.lab.listening(host, port), f"nginx listens on {host}", 60.0, alive=[process])
    return (root / "page").read_text()


def fetch(run, host, port):
    return run.lab.run(host, ["curl", "-sS", "--fail", "--max-time", "60", f"http://127.0.0.1:{port}/page"]).stdout


@test(topology="group", seconds=300)
def tunnels_in_all_directions(run):
    """Three tunnels in different directions, added by two admins at once, each with a real application."""
    fleet = grow(run)
    first, second, redis = run.port(), run.port(), run.port()
    pages = {"a": nginx(run, "a", 8000), "e": nginx(run, "e", 8000)}
    server = run.lab.start("d", ["redis-server", "--port", 6390, "--bind", "127.0.0.1", "--save", "", "--appendonly",
                                 "no", "--dir", run.directory], "redis", run.directory / "redis.log")
    wait_until(lambda: run.lab.listening("d", 6390), "redis listens", 60.0, alive=[server])
    tunnels = [("a", "up", "c", first, "a", 8000),              # device to cloud
               ("b", "down", "a", second, "e", 8000),           # cloud to device
               ("a", "across", "e", redis, "d", 6390)]          # device to device
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(fleet.add_tunnel, *tunnel) for tunnel in tunnels]:
            done.result()
    took = max(fleet.wait_listening(host, port) for host, port in (("c", first), ("a", second), ("e", redis)))
    check(fetch(run, "c", first) == pages["a"], "the page of a came to c changed")
    check(fetch(run, "a", second) == pages["e"], "the page of e came to a changed")
    said = run.lab.run("e", ["redis-benchmark", "-p", redis, "-n", run.size(5000, 500), "-c", 10, "-q", "-t", "set,get"],
                       seconds=120).stdout
    check("GET" in said and "SET" in said, f"redis-benchmark said {said!r}")
    check(all(fleet.tunnels(host) == ["across", "down", "up"] for host in "abcde"), "not all know the three tunnels")
    return f"nginx up and down, redis across; listening within {took:.1f} s"


@test(topology="group", seconds=300)
def partitions_converge(run):
    """Two parts of the group, each changed by an admin of its own, agree when they meet again."""
    fleet = grow(run)
    page = nginx(run, "d", 8000)
    fleet.part("ac", "bde")
    one, other = run.port(), run.port()
    fleet.add_tunnel("a", "one", "c", one, "d", 8000)
    fleet.add_tunnel("b", "other", "e", other, "d", 8000)
    fleet.wait_listening("e", other)
    check(fetch(run, "e", other) == page, "the part with the target does not work by itself")
    wait_until(lambda: fleet.tunnels("c") == ["one"], "c has its part's change", 60.0)
    check("one" not in fleet.tunnels("b") and "other" not in fleet.tunnels("a"), "the parts are not apart")
    fleet.join_parts("ac", "bde")
    took = wait_until(lambda: all(fleet.tunnels(host) == ["one", "other"] for host in "abcde"),
                      "both parts have both changes", 120.0)[1]
    fleet.wait_listening("c", one, 120.0)
    check(fetch(run, "c", one) == page, "the page came changed")
    return f"alike {took:.1f} s after the parts met"


@test(topology="group", seconds=300)
def a_removed_member_gets_no_byte(run):
    """`member remove` cuts a member with connections open, on all others; then not one datagram goes there, while it runs on and
    when it was started anew."""
    fleet = grow(run)
    port = run.port()
    with Server(run.lab, "d", 8000, echo_until_end):
        fleet.add_tunnel("a", "web", "e", port, "d", 8000)
        fleet.wait_listening("e", port)
        talk = run.lab.connect("e", port, seconds=60.0)
        check(echo_works(talk), "the tunnel does not carry")
        start = time.monotonic()
        said = fleet.verb("a", "member", "remove", NAMES["e"])
        answered = time.monotonic() - start
        check(not said["not_acknowledged"], f"not cut at {said['not_acknowledged']}")

        def is_out():
            return not any(NAMES["e"] in fleet.members(host) or any(
                peer["name"] == NAMES["e"] for peer in fleet.verb(host, "status")["peers"]) for host in "abcd")
        # Far below the minute after which a channel ends by itself; asking alone takes a busy machine seconds.
        wait_until(is_out, "nobody has a channel to it", 20.0)
        took = time.monotonic() - start
        check(took < 20.0, f"cut after {took:.1f} s")
        # What was under way to it has come by now: asking four gateways takes longer.
        check(is_out(), "somebody has a channel to it again")
        before = fleet.datagrams_in("e")
        # It has heard nothing of this. What it says now finds no answer, and it calls.
        talk.sendall(b"are you there?")
        calls = wait_unanswered(fleet, "e", "abcd", before)
        talk.close()
    fleet.stop("e")
    fleet.start("e")
    again = wait_unanswered(fleet, "e", "abcd", before)
    run.note(cut_seconds=round(took, 3), answered_seconds=round(answered, 3))
    return (f"answered as done by all after {answered:.2f} s, cut on all others within {took:.2f} s; "
            f"{calls} calls while it ran on and {again} after a start, 0 datagrams of answer")


def wait_unanswered(fleet, host, others, before):
    """Until `host` has called the others and called again, so that an answer would have come; how often it called. `before`
    is how many datagrams it had got."""
    def refused():
        return sum(fleet.verb(other, "status")["drops"].get("veil_unknown_peer", 0) for other in others)
    first = refused()
    for what in ("it calls, and is refused", "it calls again"):
        calls = refused()
        wait_until(lambda: refused() >= calls + 3, what, 90.0)
    got = fleet.datagrams_in(host) - before
    check(got == 0, f"{got} datagrams came to a removed member")
    return refused() - first


@test(topology="group", seconds=300)
def stragglers_return(run):
    """Two members that were off while two others were removed, one after the other, come back unaided."""
    fleet = grow(run)
    page, port = nginx(run, "a", 8000), run.port()
    fleet.add_tunnel("a", "web", "c", port, "a", 8000)
    fleet.wait_listening("c", port)
    for host in "bc":
        fleet.stop(host)
    for host in "de":
        fleet.verb("a", "member", "remove", NAMES[host])
    for host in "bc":
        fleet.start(host)
    took = fleet.wait_alike("abc", "abc", 60.0)
    fleet.wait_listening("c", port)
    check(fetch(run, "c", port) == page, "the page came changed")
    return f"alike {took:.1f} s after they were started, and the tunnel works"


@test(topology="group", seconds=300)
def clocks_do_not_matter(run):
    """Of devices whose clocks say 1970 and 2037 both join, carry, and follow a change; a tunnel with an end is closed at the
    one whose clock is certainly wrong, and at it alone."""
    fleet = grow(run, c="1970-01-02 00:00:00", d="2037-06-01 00:00:00")
    page, first, second, ending = nginx(run, "a", 8000), run.port(), run.port(), run.port()
    fleet.add_tunnel("a", "one", "c", first, "a", 8000)
    fleet.add_tunnel("b", "two", "d", second, "a", 8000)
    for host, port in (("c", first), ("d", second)):
        fleet.wait_listening(host, port)
        check(fetch(run, host, port) == page, f"the page came to {host} changed")
    for name, host, port in (("past", "c", ending), ("present", "e", ending)):
        fleet.verb("a", "tunnel", "add", name, "--origin", f"{NAMES[host]}@127.0.0.1:{port}", "--destination",
                   f"{NAMES['a']}@127.0.0.1:8000", "--until", "2036-01-01T00:00:00Z")
    fleet.wait_listening("e", ending)
    check(fetch(run, "e", ending) == page, "the page came to e changed")
    wait_until(lambda: any("clock is behind" in problem for problem in fleet.verb("c", "status")["group"]["problems"]),
               "c says that its clock is behind", 60.0)
    check(not run.lab.listening("c", ending), "a tunnel with an end is open where nobody knows the time")
    return "1970 and 2037 joined, carried and followed"


@test(topology="group", seconds=300)
def one_tunnel_serves_all_devices(run):
    """`nc` through a tunnel whose destinations are a label, to each device by its name; a device that joins later is in it."""
    fleet = grow(run)
    pages = {host: nginx(run, host, 8000) for host in "cde"}
    fleet.verb("a", "tunnel", "add", "web", "--origin", f"{NAMES['a']}@127.0.0.1:0", "--destination",
               "label:site=lab@127.0.0.1:8000")

    def answer(host):
        said = run.lab.run("a", [binary(), "nc", "web", "--to", NAMES[host], "--state", fleet.state("a")], ok=False,
                           input="GET /page HTTP/1.0\r\n\r\n")
        return said.stdout.partition("\n\n")[2]      # as text: CR LF is LF
    for host in "cde":
        wait_until(lambda: answer(host) == pages[host], f"{host} answers by name", 60.0)
    fleet.verb("a", "member", "label", NAMES["e"], "--remove", "site")
    wait_until(lambda: "no destination" in run.lab.run(
        "a", [binary(), "nc", "web", "--to", NAMES["e"], "--state", fleet.state("a")], ok=False, input="").stderr,
        "e is no destination any more", 60.0)
    check(answer("c") == pages["c"], "c is one still")
    return "3 devices by name through one tunnel"


@test(topology="group", seconds=300)
def all_see_who_is_there(run):
    """Each gateway shows who is there; one that loses its network without a word is missed by all."""
    fleet = grow(run)

    def online(host):
        return sorted(member["name"] for member in fleet.verb(host, "member", "list")["members"]
                      if member["presence"]["online"])
    everybody = sorted(NAMES.values())
    first = wait_until(lambda: all(online(host) == everybody for host in "abcde"), "all see all", 60.0)[1]
    fleet.part("e", "abcd")
    left = sorted(set(everybody) - {NAMES["e"]})
    took = wait_until(lambda: all(online(host) == left for host in "abcd"), "e is missed", 90.0)[1]
    seen = [member["presence"].get("last_seen") for member in fleet.verb("a", "member", "list")["members"]
            if member["name"] == NAMES["e"]]
    check(seen and seen[0], "nobody knows when e was there")
    return f"all seen by all {first:.1f} s after they had joined; e missed by all after {took:.0f} s"
