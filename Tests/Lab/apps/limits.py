"""What a gateway does at its limits: no file descriptors, no memory, no disk; and a status that tells of a target that is down."""

import contextlib
import json
import os
import resource
import socket
import threading

from harness.data import Pattern, Server, echo, echo_works
from harness.disks import Disk, Traffic
from harness.gateway import Pair, command, is_reset
from harness.lab import Failure, check, wait_until
from harness.runner import test

from .connections import target_port, tunnel

# Some 30 are a gateway's own, a quarter is kept back: room for a few dozen connections.
FEW_DESCRIPTORS = 128


def open_descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def limit_descriptors(process, count):
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (count, 4096))


def problems(gateway):
    return gateway.status().get("problems", [])


def attempt(pair, each):
    """A connection through the tunnel that has carried something, or None when it was refused: by a reset, and by nothing else."""
    connection = None
    try:
        connection = pair.connect(each, 60.0)
        connection.sendall(b"are you there?")
        got = connection.recv(64)
    except OSError as error:
        check(is_reset(error), f"instead of a reset: {error}")
        got = b""
    else:
        check(got, "the connection ended as if all were well")
    if got:
        return connection
    if connection is not None:
        connection.close()
    return None


@test(seconds=600)
def no_descriptors_left(run):
    """More connections than descriptors, at the origin and then at the destination: refused with a reason, and nothing stays behind."""
    figures = []
    for limited in ("a", "b"):
        each = tunnel(run)
        pair = Pair(run.lab, run.directory / f"dx-{limited}", [each], start=False)
        gateway = pair.gateway(limited)
        gateway.before = ["prlimit", f"--nofile={FEW_DESCRIPTORS}"]
        with pair, Server(run.lab, "b", target_port(each), echo):
            pair.b.start()
            pair.a.start()
            pair.wait_ready()
            # What is made once is made: the first connection, the first question.
            pair.wait_working(each, echo_works)
            pair.wait_idle()
            before = open_descriptors(gateway.process)
            held, refused = [], 0
            while refused < 10:
                check(len(held) < 2 * FEW_DESCRIPTORS, "nothing was refused")
                connection = attempt(pair, each)
                if connection is None:
                    refused += 1
                else:
                    held.append(connection)
            status = gateway.status()
            descriptors = status["descriptors"]
            check(descriptors["limit"] == FEW_DESCRIPTORS, f"the limit is {descriptors}")
            check(descriptors["refused_connections"] >= 10, f"{refused} were refused, status says {descriptors}")
            check(descriptors["used"] < FEW_DESCRIPTORS, f"none are left for anything else: {descriptors}")
            said = [tunnel["last_error"] for tunnel in status["tunnels"]][0]
            check("no file descriptors are left" in said, f"status says {said!r}")
            check(any("no file descriptors are left" in text for text in status["problems"]), f"problems: {status['problems']}")
            for connection in held:
                check(echo_works(connection, b"still there?"), "a connection that was open lost bytes")
            # A few end: as many are taken again.
            for connection in held[:len(held) // 2]:
                connection.close()
            pair.wait_working(each, echo_works)
            for connection in held[len(held) // 2:]:
                check(echo_works(connection), "a connection that was open lost bytes")
                connection.close()
            pair.wait_idle()
            wait_until(lambda: open_descriptors(gateway.process) <= before, f"descriptors are {before} again", 60.0)
            check(not problems(gateway), f"something is still wrong: {problems(gateway)}")
            figures.append(f"{len(held)} at the {'origin' if limited == 'a' else 'destination'}")
    return f"{' and '.join(figures)}, then refused; all descriptors came back"


@test(cells=("clean",), seconds=300)
def the_last_descriptor(run):
    """The system gives none at all: the listener rests instead of spinning, what is open goes on, and then it accepts what waits."""
    each = tunnel(run)
    with (Pair(run.lab, run.directory / "dx", [each]) as pair,
          Server(run.lab, "b", target_port(each), echo)):
        with pair.connect(each) as beside:
            check(echo_works(beside), "no echo before")
            pair.a.wait_control()
            process = pair.a.process
            # The look at its control socket may still be open, and leave a hole when it closes.
            wait_until(lambda: len({process.lowest_free_descriptor() for _ in range(200)}) == 1, "its descriptors rest", 60.0)
            limit_descriptors(process, process.lowest_free_descriptor())
            with pair.connect(each) as waiting:
                waiting.sendall(b"are you there?")
                cpu = process.cpu_seconds()
                pattern, moved = Pattern(5), 0
                spent = threading.Event()
                threading.Timer(5.0, spent.set).start()
                while not spent.wait(0.05):
                    pattern.send(beside, 10_000, moved)
                    pattern.receive(beside, 10_000, moved)
                    moved += 10_000
                cpu = process.cpu_seconds() - cpu
                check(process.running(), f"the gateway ended: {process.ending()}")
                waiting.settimeout(0.2)
                with contextlib.suppress(socket.timeout):
                    got = waiting.recv(64)
                    raise Failure(f"a connection for which there was no descriptor got {got!r}")
                limit_descriptors(process, 4096)
                waiting.settimeout(60.0)
                check(waiting.recv(64) == b"are you there?", "the connection that waited lost its bytes")
            paused = pair.a.status()["descriptors"]["accept_pauses"]
            # One a second; an event loop that spins makes thousands.
            check(1 <= paused < 200, f"{paused} pauses were counted")
            check(echo_works(beside), "the connection beside it does not work")
        pair.wait_idle()
    return f"{paused} pauses, {cpu:.2f} s of CPU in 5 s, then accepted"


@contextlib.contextmanager
def small_send_buffers(run, host):
    """The kernel keeps little of what a target does not read, so that the gateway has to."""
    path = "/proc/sys/net/ipv4/tcp_wmem"
    before = run.lab.run(host, ["cat", path]).stdout.split()
    run.lab.run(host, ["sh", "-c", f"echo 4096 16384 16384 > {path}"])
    try:
        yield
    finally:
        run.lab.run(host, ["sh", "-c", f"echo {' '.join(before)} > {path}"])


@test(cells=("clean",), seconds=300)
def memory_ceiling(run):
    """Many targets that do not read: windows shrink, new connections are refused with a reason, and then every byte arrives."""
    each, count = tunnel(run), 400_000
    go, pattern = threading.Event(), Pattern(9)

    def target(connection):
        go.wait(240)
        pattern.receive(connection, count)
        connection.sendall(b"all")
        connection.recv(1)

    held, senders, trouble = [], [], []

    def send(connection):
        try:
            pattern.send(connection, count)
        except OSError as error:
            trouble.append(error)

    with (small_send_buffers(run, "b"),
          Pair(run.lab, run.directory / "dx", [each], extra="limits: {memory: 4MiB}\n") as pair,
          Server(run.lab, "b", target_port(each), target) as server):
        server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        pair.b.wait_control()
        # What starting took has been given back by then.
        wait_until(lambda: pair.b.status()["uptime_seconds"] > 3, "it has settled", 60.0)
        start = pair.b.process.memory()
        tight = 0
        def memory():
            return pair.b.status()["memory"]
        while True:
            said = memory()
            check(len(held) < 300, f"the memory is never full: {said}")
            tight += said["state"] == "tight"
            try:
                connection = pair.connect(each, 240.0)
            except OSError as error:
                check(is_reset(error), f"instead of a reset: {error}")
                break
            wait_until(lambda: server.accepted > len(held) or memory()["refused_connections"], "the connection is there", 60.0)
            if server.accepted == len(held):
                connection.close()
                break
            held.append(connection)
            senders.append(threading.Thread(target=send, args=(connection,), daemon=True))
            senders[-1].start()
        for _ in range(5):
            try:
                with pair.connect(each, 60.0) as connection:
                    connection.sendall(b"x")
                    got = connection.recv(1)
                raise Failure(f"a connection beyond the limit of memory got {got!r}")
            except OSError as error:
                check(is_reset(error), f"instead of a reset: {error}")
        status = pair.b.status()
        full = status["memory"]
        check(status["memory"]["refused_connections"] >= 5, f"status says {status['memory']}")
        check(any(text.startswith("memory is full") for text in status["problems"]), f"problems: {status['problems']}")
        check("memory is full" in status["tunnels"][0]["last_error"], f"the tunnel says {status['tunnels'][0]}")
        records = json.loads(command("audit", "--json", "--control", pair.a.control).stdout)["records"]
        check(any("limit" in record.get("reason", "") for record in records), f"the origin's records: {records[-3:]}")
        grown = pair.b.process.memory() - start
        go.set()
        for connection in held:
            connection.settimeout(240.0)
            check(connection.recv(3) == b"all", "a target did not get all of its bytes")
        for sender in senders:
            sender.join(60.0)
        check(not trouble, f"a sender was stopped: {trouble}")
        for connection in held:
            connection.close()
        pair.wait_idle()
        wait_until(lambda: memory()["state"] == "plenty", "there is plenty again", 60.0)
        check(not problems(pair.b), f"something is still wrong: {problems(pair.b)}")
        with pair.connect(each, 60.0) as late:
            pattern.send(late, count)
            check(late.recv(3) == b"all", "nothing is carried afterwards")
        # What is held, what carries it, and what the allocator keeps.
        check(grown < 32 << 20, f"with 4 MiB to hold the gateway grew by {grown >> 20} MiB")
    return (f"full with {len(held)} connections and {full['used_bytes'] >> 10} KiB held, short at {tight} of them;"
            f" grew by {grown >> 20} MiB; all bytes arrived")


@test(cells=("clean",), seconds=300)
def full_disk_without_group(run):
    """A gateway of a configuration file whose disk is full, with its log on it: it carries on, and starts."""
    each = tunnel(run)
    disk = Disk(run.lab, run.directory / "disk")
    with (Pair(run.lab, disk.path, [each]) as pair,
          Server(run.lab, "b", target_port(each), echo)):
        with Traffic(run.lab, "a", each.port) as traffic:
            traffic.wait_more()
            disk.fill()
            disk.use_up_files()
            traffic.wait_more()
            audit = pair.b.status()["audit"]
            check(audit["records"] > 0 and not audit["on_disk"], f"status says of audit records {audit}")
        disk.make_room()
        pair.a.stop()
        # Its log's file is made before there is no room any more.
        (pair.a.directory / f"run-{pair.a.starts + 1}.log").touch()
        disk.fill()
        disk.use_up_files()
        pair.a.start()
        pair.wait_working(each, echo_works)
        with pair.connect(each) as connection:
            check(echo_works(connection), "it does not carry after a start on a full disk")
        disk.make_room()
        wait_until(lambda: command("status", "--control", pair.a.control, ok=False).returncode == 0,
                   "it can be asked when there is room", 60.0)
        check(not problems(pair.a), f"something is still wrong: {problems(pair.a)}")
    return f"{traffic.moved >> 20} MiB and {traffic.connections} connections meanwhile"


@test(cells=("clean",), seconds=300)
def unhealthy_without_target(run):
    """A tunnel whose target is down is not healthy: status says which, why and what to do, at both ends."""
    each = tunnel(run, "shop")
    each.options["health"] = "{check: tcp, interval: 500ms}"
    with Pair(run.lab, run.directory / "dx", [each]) as pair:
        for gateway, words in ((pair.a, "tunnel shop leads nowhere"), (pair.b, f"target {each.target} is down")):
            said = wait_until(lambda: [text for text in problems(gateway) if words in text], f"{gateway.name} says why", 60.0)[0][0]
            check("Connection refused" in said and "start" in said, f"{gateway.name} says {said!r}")
            text = command("status", "--control", gateway.control).stdout
            check("NOT healthy" in text and said in text, f"{gateway.name} prints {text}")
        with Server(run.lab, "b", target_port(each), echo):
            for gateway in (pair.a, pair.b):
                wait_until(lambda: gateway.status()["healthy"], f"{gateway.name} is healthy", 60.0)
            pair.wait_working(each, echo_works)
    return "told at both ends, and over when the target came"
