"""Gateways that die without a word, gateways that are not there, and links that go dark."""

import threading
import time

from harness.data import Pattern, Server, echo, echo_until_end, echo_works
from harness.gateway import Pair, is_reset, read_ending
from harness.lab import Failure, check, wait_until
from harness.runner import test

from .connections import target_port, tunnel

# The end of a peer that said nothing shows only by its silence. How long that may take is the
# gateway's choice (liveness, docs/wire-format.md); a client must not wait longer than this.
NOTICE_SECONDS = 90.0


@test()
def kill_destination(run):
    """kill -9 of the destination gateway: clients see an end, and after a restart all works again."""
    each = tunnel(run)
    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), echo_until_end):
        client = pair.connect(each)
        check(echo_works(client), "no echo before")
        start = time.monotonic()
        pair.b.kill9()
        ending = ending_of(client)
        noticed = time.monotonic() - start
        refused, refusal = time_refusal(pair, each)
        start = time.monotonic()
        pair.b.start()
        pair.wait_working(each, echo_works)
        recovered = time.monotonic() - start
        pair.a.check_alive()
    run.note(noticed_seconds=noticed, refusal_seconds=refusal, recovered_seconds=recovered)
    return (f"{ending} at the client after {noticed:.2f} s, new ones {refused} within {refusal:.2f} s, "
            f"working {recovered:.2f} s after the restart")


@test()
def kill_origin(run):
    """kill -9 of the origin gateway: both ends see an end, and after a restart all works again."""
    each = tunnel(run)
    ended = threading.Event()
    endings = []

    def target(connection):
        try:
            echo(connection)
            endings.append("eof")
        except OSError as error:
            check(is_reset(error), str(error))
            endings.append("reset")
        ended.set()

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        client = pair.connect(each)
        check(echo_works(client), "no echo before")
        start = time.monotonic()
        pair.a.kill9()
        ending = ending_of(client)
        noticed = time.monotonic() - start
        start_again = time.monotonic()
        pair.a.start()
        pair.wait_working(each, echo_works)
        recovered = time.monotonic() - start_again
        check(ended.wait(NOTICE_SECONDS), "the target's connection of the dead gateway stays open")
        at_target = time.monotonic() - start
        pair.b.check_alive()
    run.note(noticed_seconds=noticed, target_noticed_seconds=at_target, recovered_seconds=recovered)
    return (f"{ending} at the client after {noticed * 1000:.0f} ms, {endings[0]} at the target within {at_target:.2f} s, "
            f"working {recovered:.2f} s after the restart")


@test()
def kill_during_transfer(run):
    """kill -9 while data flows, from either side, again and again; the survivor stays well."""
    each = tunnel(run)
    pattern, count = Pattern(31), run.size(4_000_000, 400_000)

    def target(connection):
        try:
            pattern.send(connection, 1 << 40)
        except OSError:
            pass

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        def works(connection):
            pattern.receive(connection, count)
            return True
        before = pair.memory()
        for round_number in range(3):
            for victim in (pair.b, pair.a):
                with pair.connect(each) as client:
                    pattern.receive(client, count)
                    victim.kill9()
                    # The survivor learns it from the new one; kill_destination waits for it to find out by itself.
                    victim.start()
                    drain(client)
                pair.wait_working(each, works)
        growth = pair.memory()[0] - before[0], pair.memory()[1] - before[1]
        check(max(growth) < 64 << 20, f"a gateway grew by {max(growth) / 1e6:.0f} MB")
    return "6 kills in mid-transfer, working again each time"


@test()
def destination_down(run):
    """The destination was never there: refused promptly; then it comes, and the tunnel works."""
    each = tunnel(run)
    pair = Pair(run.lab, run.directory / "dx", [each], start=False)
    with pair, Server(run.lab, "b", target_port(each), echo_until_end):
        pair.a.start()
        pair.a.wait_control()
        how, seconds = time_refusal(pair, each)
        check(seconds < 15.0, f"the refusal took {seconds:.1f} s")
        start = time.monotonic()
        pair.b.start()
        pair.wait_working(each, echo_works)
        working = time.monotonic() - start
    run.note(refusal_seconds=seconds, working_seconds=working)
    return f"{how} after {seconds * 1000:.0f} ms; working {working:.2f} s after the destination came"


@test(cells=("impaired",))
def link_outage(run):
    """The link is dark for two seconds in mid-transfer: the connection survives, no byte is lost."""
    each = tunnel(run)
    pattern, count = Pattern(32), 3_000_000

    def target(connection):
        pattern.send(connection, count)
        connection.recv(1)

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        with pair.connect(each, seconds=60.0) as client:
            pattern.receive(client, count // 4)
            said = run.lab.link_command("wire", "script", "at 0s down; at 2s up")
            check("error" not in said.lower(), said)
            start = time.monotonic()
            pattern.receive(client, count - count // 4, offset=count // 4)
            seconds = time.monotonic() - start
    return f"the rest came whole, {seconds:.1f} s after the link went dark for 2 s"


def ending_of(client):
    """How a connection ended: 'eof' or 'reset'. It must end by itself."""
    try:
        return read_ending(client, NOTICE_SECONDS)[0]
    finally:
        client.close()


def drain(client):
    """Read to whatever end there is."""
    client.settimeout(NOTICE_SECONDS)
    try:
        while client.recv(262144):
            pass
    except OSError as error:
        check(is_reset(error), f"the connection of a dead gateway: {error}")


def time_refusal(pair, each):
    """A new connection while the destination is away must end at once; returns (how, seconds)."""
    start = time.monotonic()
    try:
        with pair.connect(each, 20.0) as client:
            client.sendall(b"anyone?")
            how, got = read_ending(client, 20.0)
            check(not got, f"an answer came from a gateway that is away: {got!r}")
            how = {"eof": "closed", "reset": "reset"}[how]
    except ConnectionRefusedError:
        how = "refused"
    except OSError as error:
        if not is_reset(error):
            raise Failure(f"instead of a refusal: {error}") from None
        how = "reset"
    seconds = time.monotonic() - start
    wait_until(lambda: pair.a.process.running(), "the origin gateway lives", 1.0)
    return how, seconds
