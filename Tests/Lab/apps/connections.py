"""Many connections, half-closed ones, slow ones, and every byte of each in its place."""

import os
import select
import selectors
import signal
import socket
import threading
import time

from harness.data import Pattern, Server, echo, receive_exactly
from harness.gateway import Pair, Tunnel, read_ending
from harness.lab import Failure, check, wait_until
from harness.runner import test

MEGABYTE = 1_000_000


def tunnel(run, name="echo", origin="a"):
    return Tunnel(name, run.port(), run.port(), origin=origin)


def target_port(each):
    return int(each.target.rsplit(":", 1)[1])


def exchange_all(run, each, count, size, begun=None):
    """`count` connections at once; each sends its own `size` bytes and reads them back.

    `begun` is called with the sockets before anything is sent.
    """
    patterns = [Pattern(seed) for seed in range(7)]
    selector = selectors.DefaultSelector()
    states = []
    for i in range(count):
        connection = run.lab.socket(each.origin)
        connection.setblocking(False)
        try:
            connection.connect(("127.0.0.1", each.port))
        except BlockingIOError:
            pass
        # Each connection's bytes differ: its own place in one of the patterns.
        state = {"connection": connection, "sent": 0, "received": 0, "pattern": patterns[i % 7], "base": i * 1009}
        states.append(state)
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, state)
    if begun:
        begun([state["connection"] for state in states])
    open_now, deadline = count, time.monotonic() + 240
    while open_now:
        check(time.monotonic() < deadline, f"{open_now} of {count} connections not finished")
        for key, events in selector.select(1.0):
            state, connection = key.data, key.fileobj
            if events & selectors.EVENT_WRITE:
                part = min(32768, size - state["sent"])
                state["sent"] += connection.send(state["pattern"].at(state["base"] + state["sent"], part))
                if state["sent"] == size:
                    selector.modify(connection, selectors.EVENT_READ, state)
            if events & selectors.EVENT_READ:
                try:
                    part = connection.recv(65536)
                except BlockingIOError:
                    continue
                check(part, f"a connection ended after {state['received']} of {size} bytes")
                expected = state["pattern"].at(state["base"] + state["received"], len(part))
                check(part == expected, f"a connection got bytes that are not its own after {state['received']}")
                state["received"] += len(part)
                if state["received"] == size:
                    selector.unregister(connection)
                    open_now -= 1
    return [state["connection"] for state in states]


@test(seconds=300)
def concurrent_500(run):
    """500 connections at once, each with its own bytes there and back; then all are open, idle."""
    each = tunnel(run)
    count, size = 500, run.size(65536, 8192, full=65536)
    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), echo):
        before = max(pair.memory())
        start = time.monotonic()
        connections = exchange_all(run, each, count, size)
        seconds = time.monotonic() - start
        memory = max(pair.memory())
        for connection in connections:
            connection.close()
        pair.wait_idle()
        # 128 KB each would still be generous for a connection that holds no unread bytes.
        check(memory - before < count * 131072, f"resident memory grew by {(memory - before) / 1e6:.0f} MB")
    run.note(exchange_seconds=seconds, idle_rss_bytes=before, open_500_rss_bytes=memory)
    return (f"{count} x {size} bytes verified in {seconds:.2f} s; resident {before / 1e6:.1f} MB idle, "
            f"{memory / 1e6:.1f} MB with {count} open")


@test(cells=("clean",))
def burst_while_busy(run):
    """500 clients come while the origin is stopped: all are connected at once and served when it goes on."""
    each = tunnel(run)
    count, size = 500, 8192
    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), echo):
        os.kill(pair.a.process.pid, signal.SIGSTOP)

        def begun(connections):
            try:
                poll = select.poll()
                for connection in connections:
                    poll.register(connection, select.POLLOUT)
                # Those that the kernel's queue has no room for try again after a second, and some are reset.
                ready, end = 0, time.monotonic() + 0.5
                while ready < count and time.monotonic() < end:
                    ready = len(poll.poll(10))
                check(ready == count, f"{ready} of {count} are connected")
            finally:
                os.kill(pair.a.process.pid, signal.SIGCONT)

        for connection in exchange_all(run, each, count, size, begun):
            connection.close()
        pair.wait_idle()
    return f"{count} waited to be accepted, and got {size} bytes there and back"


@test()
def half_close_client(run):
    """The client's FIN comes first; the answer, sent only after it, arrives whole."""
    each = tunnel(run)
    question, answer = Pattern(11), Pattern(12)
    asked, answered = 300_000, run.size(20 * MEGABYTE, MEGABYTE)

    def target(connection):
        question.receive(connection, asked)
        check(connection.recv(1) == b"", "the client's FIN did not arrive as the end of its bytes")
        answer.send(connection, answered)

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        with pair.connect(each) as client:
            question.send(client, asked)
            client.shutdown(socket.SHUT_WR)
            answer.receive(client, answered)
            check(read_ending(client) == ("eof", b""), "the answer did not end with a FIN")
        # The same as people do it: nc sends the FIN when its input ends (-N).
        small = run.directory / "question"
        small.write_bytes(bytes(question.at(0, asked)))
        with open(small, "rb") as stdin:
            said = run.lab.run("a", ["nc", "-N", "127.0.0.1", each.port], seconds=200, stdin=stdin, text=None).stdout
        check(len(said) == answered, f"nc -N got {len(said)} of {answered} bytes")
        check(said[:100_000] == bytes(answer.at(0, 100_000)), "nc -N got wrong bytes")
    return f"{answered / 1e6:.0f} MB after the client's FIN, to a socket and to nc -N"


@test()
def half_close_server(run):
    """The target's FIN comes first; the client goes on sending and all arrives."""
    each = tunnel(run, origin="b")
    sent, received = Pattern(13), run.size(5 * MEGABYTE, MEGABYTE)
    done = threading.Event()

    def target(connection):
        connection.sendall(b"over to you")
        connection.shutdown(socket.SHUT_WR)
        sent.receive(connection, received)
        check(connection.recv(1) == b"", "the client's FIN did not arrive")
        done.set()

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "a", target_port(each), target):
        with pair.connect(each) as client:
            check(read_ending(client) == ("eof", b"over to you"), "the target's FIN did not arrive")
            sent.send(client, received)
            client.shutdown(socket.SHUT_WR)
            check(done.wait(120), "the target did not get everything after its own FIN")
    return f"{received / 1e6:.0f} MB after the target's FIN"


@test(seconds=400)
def slow_reader(run):
    """A client that reads nothing does not slow one beside it, nor fill the gateways' memory."""
    each = tunnel(run)
    pattern, wanted = Pattern(14), run.size(200 * MEGABYTE, 8 * MEGABYTE)
    accepted = {}

    def target(connection):
        which = receive_exactly(connection, 4)
        accepted[which] = 0
        limit = wanted if which == b"fast" else 1 << 40
        connection.settimeout(600.0)
        while accepted[which] < limit:
            size = min(65536, limit - accepted[which])
            try:
                connection.sendall(pattern.at(accepted[which], size))
            except OSError:
                return                # the slow client went away at the end of the test
            accepted[which] += size

    def download(pair):
        with pair.connect(each) as fast:
            fast.sendall(b"fast")
            start = time.monotonic()
            pattern.receive(fast, wanted)
            return time.monotonic() - start

    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), target):
        before = pair.memory()
        alone = download(pair)
        with pair.connect(each) as slow:
            slow.sendall(b"slow")
            # Over a lossy path the way from here to the target has pauses of its own.
            stalled_after = until_stalled(accepted, b"slow", run.size(1.0, 8.0))
            beside = download(pair)
            again = download(pair)
            memory = pair.memory()
            check(accepted[b"slow"] - stalled_after < MEGABYTE, "the target of the slow client was read on")
            growth = max(now - then for now, then in zip(memory, before))
            # Windows are tuned to the path; far less than this is needed for one stalled stream
            # (16 MB of window at most, and what TCP holds is the kernel's).
            check(stalled_after < 64 << 20, f"{stalled_after} bytes were taken for a client that reads nothing")
            check(growth < 64 << 20, f"a gateway grew by {growth / 1e6:.0f} MB")
            # What was held back is whole and in order when the slow client reads at last.
            pattern.receive(slow, min(stalled_after, run.size(8 * MEGABYTE, MEGABYTE)))
        pair.wait_idle()
    ratio = alone / min(beside, again)
    run.note(fast_alone_seconds=alone, fast_beside_seconds=min(beside, again), growth_bytes=growth,
             taken_for_slow_bytes=stalled_after)
    return (f"fast client at {ratio * 100:.0f} % of its speed alone; {stalled_after / 1e6:.1f} MB taken for the slow one; "
            f"gateways grew by at most {growth / 1e6:.1f} MB")


def until_stalled(accepted, which, pause):
    """Until the target could not write for `pause` seconds; returns what was taken from it."""
    # Looks are counted as well: to a machine that stood still itself everything seems to.
    last, looks = {"count": -1, "since": time.monotonic(), "looks": 0}, 30

    def stalled():
        now = accepted.get(which, 0)
        if now != last["count"]:
            last.update(count=now, since=time.monotonic(), looks=0)
        last["looks"] += 1
        return now > 0 and last["looks"] > looks and time.monotonic() - last["since"] > pause
    wait_until(stalled, "backpressure reaches the target of a client that does not read", 120.0)
    return last["count"]


@test()
def early_bytes(run):
    """What the client sends before the target answers is kept, with its FIN."""
    each = tunnel(run)
    pattern, count = Pattern(15), 40_000
    port = target_port(each)
    with Pair(run.lab, run.directory / "dx", [each]) as pair:
        # A listener whose queue is full lets a SYN go unanswered: the target is slow to answer.
        listener = run.lab.listen("b", port, backlog=0)
        filler = run.lab.connect("b", port)
        client = pair.connect(each)
        with listener, filler, client:
            pattern.send(client, count)
            client.shutdown(socket.SHUT_WR)
            wait_until(lambda: run.lab.connecting("b", port), "the gateway tries to reach the target", 30.0)
            listener.accept()[0].close()          # now there is room: the next SYN is answered
            listener.settimeout(60.0)
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(60.0)
                pattern.receive(accepted, count)
                check(accepted.recv(1) == b"", "the FIN sent before the target answered was lost")
                accepted.sendall(b"got all of it")
                accepted.shutdown(socket.SHUT_WR)
                check(read_ending(client) == ("eof", b"got all of it"), "the answer was lost")
    return f"{count} bytes and a FIN, sent before the target answered, arrived"


@test()
def both_directions(run):
    """Tunnels of both directions over one channel, full both ways at once."""
    forth, back = tunnel(run, "forth"), tunnel(run, "back", origin="b")
    count = run.size(50 * MEGABYTE, 2 * MEGABYTE)
    problems = []

    def client(pair, each, seed):
        try:
            with pair.connect(each, seconds=120.0) as connection:
                pattern = Pattern(seed)
                sender = threading.Thread(target=pattern.send, args=(connection, count))
                sender.start()
                pattern.receive(connection, count)
                sender.join()
                connection.shutdown(socket.SHUT_WR)
                check(read_ending(connection) == ("eof", b""), "no FIN came back")
        except (OSError, Failure) as problem:
            problems.append(f"{each.name}: {problem}")

    with (Pair(run.lab, run.directory / "dx", [forth, back], callback=True) as pair,
          Server(run.lab, "b", target_port(forth), echo), Server(run.lab, "a", target_port(back), echo)):
        start = time.monotonic()
        threads = [threading.Thread(target=client, args=(pair, each, seed), daemon=True)
                   for each, seed in ((forth, 1), (back, 2), (forth, 3), (back, 4))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - start
        check(not problems, "; ".join(problems))
    return f"4 x {count / 1e6:.0f} MB each way in {seconds:.1f} s"
