"""How connections end: a reset is a reset at the other end, in both directions, and a refusal is prompt."""

import socket
import struct
import threading
import time

from harness.data import Pattern, Server, echo, echo_works, receive_exactly
from harness.gateway import Pair, is_reset, read_ending
from harness.lab import check
from harness.runner import test

from .connections import target_port, tunnel


def reset(connection):
    """Close with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@test()
def reset_by_client(run):
    """The client's RST is one at the target."""
    each = tunnel(run)
    seen, arrived = [], threading.Event()

    def target(connection):
        connection.sendall(receive_exactly(connection, 5))
        seen.append(read_ending(connection))
        arrived.set()

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        client = pair.connect(each)
        check(echo_works(client, b"hello"), "no echo")
        start = time.monotonic()
        reset(client)
        check(arrived.wait(60), "the target was told nothing of the client's RST")
        seconds = time.monotonic() - start
        check(seen == [("reset", b"")], f"the target saw {seen[0]} instead of a reset")
        pair.wait_idle()
    return f"a reset at the target after {seconds * 1000:.0f} ms"


@test()
def reset_by_target(run):
    """The target's RST is one at the client."""
    each = tunnel(run, origin="b")

    def target(connection):
        receive_exactly(connection, 5)
        reset(connection)

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "a", target_port(each), target):
        with pair.connect(each) as client:
            start = time.monotonic()
            client.sendall(b"hello")
            ending = read_ending(client)
            seconds = time.monotonic() - start
            check(ending == ("reset", b""), f"the client saw {ending} instead of a reset")
    return f"a reset at the client after {seconds * 1000:.0f} ms"


@test()
def refused_target(run):
    """Nothing listens at the target: the client sees a reset at once, each time."""
    closed, fine = tunnel(run, "closed"), tunnel(run, "fine")
    with (Pair(run.lab, run.directory / "dx", [closed, fine]) as pair,
          Server(run.lab, "b", target_port(fine), echo)):
        with pair.connect(fine) as beside:
            check(echo_works(beside), "no echo before")
            longest = 0.0
            for attempt in range(20):
                start = time.monotonic()
                try:
                    with pair.connect(closed) as client:
                        ending = read_ending(client, 20.0)[0]
                except OSError as error:
                    check(is_reset(error), f"attempt {attempt}: {error}")
                    ending = "reset"
                longest = max(longest, time.monotonic() - start)
                check(ending == "reset", f"attempt {attempt}: the client saw {ending} instead of a reset")
            check(echo_works(beside), "a refused target disturbed the connection beside it")
        pair.wait_idle()
    run.note(longest_seconds=longest)
    return f"20 of 20 reset, the slowest after {longest * 1000:.0f} ms"


@test()
def default_deny(run):
    """A tunnel that only the origin's file lists opens nothing at the destination."""
    allowed, forbidden = tunnel(run, "allowed"), tunnel(run, "forbidden")
    accepted = []

    def target(connection):
        accepted.append(connection)

    pair = Pair(run.lab, run.directory / "dx", [allowed, forbidden], tunnels_of_b=[allowed], start=False)
    with (pair, Server(run.lab, "b", target_port(allowed), echo),
          Server(run.lab, "b", target_port(forbidden), target)):
        pair.b.start()
        pair.a.start()
        pair.tunnels = [allowed]
        pair.wait_ready()
        with pair.connect(allowed) as client:
            check(echo_works(client), "the allowed tunnel does not work")
        try:
            with pair.connect(forbidden) as client:
                client.sendall(b"let me in")
                ending = read_ending(client, 20.0)[0]
        except OSError as error:
            check(is_reset(error), str(error))
            ending = "reset"
        check(ending == "reset" and not accepted, f"the forbidden tunnel: {ending}, {len(accepted)} connections at the target")
    return "the destination opens only what its own file allows"


@test()
def many_short(run):
    """Connections that open, ask, get an answer and close, one after the other; nothing stays behind."""
    each = tunnel(run)
    count = run.size(2000, 100, full=5000)
    pattern = Pattern(21)

    def target(connection):
        asked = receive_exactly(connection, 100)
        connection.sendall(asked[::-1])
        connection.recv(1)

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        start = time.monotonic()
        for i in range(count):
            with pair.connect(each) as client:
                question = bytes(pattern.at(i * 100, 100))
                client.sendall(question)
                check(receive_exactly(client, 100) == question[::-1], f"connection {i}: wrong answer")
            if i == count // 4:
                before = max(pair.memory())
        seconds = time.monotonic() - start
        growth = max(pair.memory()) - before
        pair.wait_idle()
        check(growth < 16 << 20, f"a gateway grew by {growth / 1e6:.1f} MB over {count * 3 // 4} short connections")
    run.note(connections_per_second=count / seconds)
    return f"{count / seconds:.0f} connections/s one after the other; memory grew by {growth / 1e6:.1f} MB"
