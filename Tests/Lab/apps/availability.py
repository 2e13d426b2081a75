"""Tunnels of two destinations, with nginx behind them: a gateway that is killed, a target that stops, a gateway that is drained."""

import signal
import statistics
import threading
import time

from harness.data import Pattern, Server, echo_until_end, receive_exactly
from harness.gateway import ADDRESSES, Gateway, is_reset, make_veil
from harness.lab import Failure, check, wait_until
from harness.runner import test

# Nobody waits longer than this for a page; how long it took is a figure.
PATIENCE = 30.0
DESTINATIONS = ("cloud-1", "cloud-2")


class Trio:
    """`edge-1` on host a; `cloud-1` and `cloud-2` on host b, the destinations of every tunnel in this order."""

    def __init__(self, run, tunnels, options="", limits=""):
        """`tunnels`: name -> (listen port, [target port of each destination])."""
        self.run, self.lab = run, run.lab
        directory = run.directory / "dx"
        directory.mkdir(mode=0o700)
        make_veil(directory / "group.key")
        self.edge = Gateway(run.lab, "a", directory)
        self.clouds = [Gateway(run.lab, "b", directory, f":{7700 + 10 * i}", name) for i, name in enumerate(DESTINATIONS)]
        self.tunnels = tunnels
        extra = "".join(self._tunnel(name, *ends, options) for name, ends in tunnels.items()) + limits
        clouds = [(each.name, each.id, [f"{ADDRESSES['b']}:{7700 + 10 * i}"]) for i, each in enumerate(self.clouds)]
        self._write(self.edge, clouds, extra)
        for each in self.clouds:
            others = [(name, identity, []) for name, identity, _ in clouds if name != each.name]
            self._write(each, [(self.edge.name, self.edge.id, [])] + others, extra)

    @staticmethod
    def _write(gateway, peers, extra):
        gateway.write_config("../group.key", peers, [])
        gateway.config.write_text(gateway.config.read_text().replace("tunnels: []\n", "tunnels:\n") + extra)

    @staticmethod
    def _tunnel(name, listen, targets, options):
        ends = ", ".join(f'{{gateway: {each}, target: "127.0.0.1:{port}"}}' for each, port in zip(DESTINATIONS, targets))
        return (f"  - name: {name}\n    origins: [{{gateway: edge-1, listen: \"127.0.0.1:{listen}\"}}]\n"
                f"    destinations: [{ends}]\n{options}")

    def __enter__(self):
        for each in [*self.clouds, self.edge]:
            each.start()
        self.edge.wait_control()
        self.wait_for("ready", "ready")
        return self

    def __exit__(self, *_):
        for each in [self.edge, *self.clouds]:
            each.stop()

    def states(self, name=None):
        """What the origin says of the destinations of a tunnel."""
        name = name or next(iter(self.tunnels))
        status = self.edge.status()
        found = [each for each in status["tunnels"] if each["name"] == name]
        return [each["state"] for each in found[0]["destinations"]] if found else []

    def wait_for(self, *states, seconds=120.0):
        """Until every tunnel's destinations are in these states; the seconds it took."""
        return wait_until(lambda: all(self.states(name) == list(states) for name in self.tunnels),
                          f"destinations are {states}", seconds, alive=[self.edge.process])[1]


def start_nginx(run, name, port):
    """An nginx on host b whose /who says its name."""
    root = run.directory / name
    (root / "www").mkdir(parents=True)
    (root / "www" / "who").write_text(name)
    config = root / "nginx.conf"
    config.write_text(f"""
daemon off; master_process off; pid {root}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}/www; }}
}}
""")
    process = run.lab.start("b", ["nginx", "-p", root, "-c", config, "-e", "stderr"], f"nginx {name}", root / "nginx.log")
    wait_until(lambda: run.lab.listening("b", port), f"nginx {name} listens", 60.0, alive=[process])
    return process


def who(lab, port):
    """A new connection asks which nginx it came to; (answer, seconds). Fails unless it is answered whole."""
    start = time.monotonic()
    with lab.connect("a", port, seconds=PATIENCE) as client:
        client.sendall(b"GET /who HTTP/1.1\r\nHost: dx\r\nConnection: close\r\n\r\n")
        answer = bytearray()
        while part := client.recv(65536):
            answer += part
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 200"), f"nginx was not reached: {head[:60]!r}")
    return body.decode(), time.monotonic() - start


def ask_for(lab, port, seconds, pause=0.05):
    """Asks again and again for so long; the answers and how long each took."""
    answers, times, end = [], [], time.monotonic() + seconds
    while time.monotonic() < end:
        answer, took = who(lab, port)
        answers.append(answer)
        times.append(took)
        time.sleep(pause)
    return answers, times


def talk_until_end(connection, talking, ended):
    """Sends and receives until the connection ends, and notes when it did; tells when it has begun."""
    connection.settimeout(PATIENCE * 4)
    try:
        while True:
            connection.sendall(b"still there?")
            if not connection.recv(4096):
                break
            talking.set()
    except OSError as error:
        if not is_reset(error):
            ended.append(error)
            return
    ended.append(time.monotonic())


def wait_first(run, trio, port):
    """Until the first of both destinations is the one that is used: where it was slow to answer once, the other is for a while."""
    for _ in range(3):
        trio.wait_for("ready", "ready")
        if (answer := who(run.lab, port)[0]) == "cloud-1":
            return
    raise Failure(f"the first destination is not the one that is used: {answer} answers")


def milliseconds(times):
    return f"p50 {statistics.median(times) * 1000:.0f} ms, most {max(times) * 1000:.0f} ms"


@test(seconds=3600)
def destination_killed(run):
    """kill -9 of the first of two destinations: every new connection succeeds, what was under way there is reset."""
    ports = [run.port(), run.port()]
    web, talk = run.port(), run.port()
    target = run.port()
    runs = run.runs or run.size(5, 2)
    slowest, all_times, resets = [], [], []
    options = "    failback: 100ms\n"
    with (Server(run.lab, "b", target, echo_until_end),
          Trio(run, {"web": (web, ports), "talk": (talk, [target, target])}, options) as trio):
        for name, port in zip(DESTINATIONS, ports):
            start_nginx(run, name, port)
        for _ in range(runs):
            wait_first(run, trio, web)
            ended, talking = [], threading.Event()
            talker = run.lab.connect("a", talk)
            thread = threading.Thread(target=talk_until_end, args=(talker, talking, ended), daemon=True)
            thread.start()
            check(talking.wait(PATIENCE), "nothing came back before")
            killed = time.monotonic()
            trio.clouds[0].kill9()
            answers, times = ask_for(run.lab, web, 2.5)
            check(set(answers) == {"cloud-2"}, f"answers came from {set(answers)}")
            slowest.append(max(times))
            all_times += times
            thread.join(PATIENCE * 4)
            talker.close()
            check(ended and isinstance(ended[0], float), f"the connection through the dead gateway did not end: {ended}")
            resets.append(ended[0] - killed)
            trio.clouds[0].start()
        trio.wait_for("ready", "ready")
    run.note(runs=runs, attempts=len(all_times), connect_seconds=all_times, slowest_seconds=slowest, reset_seconds=resets)
    return (f"{runs} kills, {len(all_times)} of {len(all_times)} new connections answered: {milliseconds(all_times)}; "
            f"open ones reset: {milliseconds(resets)}")


@test(seconds=3600)
def target_stopped(run):
    """nginx of the first of two destinations is killed: every new connection succeeds; it is seen to be down, and up again."""
    ports, web = [run.port(), run.port()], run.port()
    runs = run.runs or run.size(5, 2)
    downs, all_times = [], []
    options = "    failback: 100ms\n    health: {check: http, path: /who, expect: 200, interval: 1s}\n"
    servers = [start_nginx(run, name, port) for name, port in zip(DESTINATIONS, ports)]
    with Trio(run, {"web": (web, ports)}, options) as trio:
        for _ in range(runs):
            wait_first(run, trio, web)
            servers[0].kill9()
            answers, times = ask_for(run.lab, web, 1.0)
            check(set(answers) == {"cloud-2"}, f"answers came from {set(answers)}")
            all_times += times
            downs.append(trio.wait_for("down", "ready"))
            (run.directory / "cloud-1").rename(run.directory / f"cloud-1.{len(downs)}")
            servers[0] = start_nginx(run, "cloud-1", ports[0])
    run.note(runs=runs, attempts=len(all_times), connect_seconds=all_times)
    return f"{runs} times, {len(all_times)} of {len(all_times)} new connections answered: {milliseconds(all_times)}"


@test(seconds=1200)
def drained_under_load(run):
    """SIGTERM of a destination with transfers going on: each ends whole, new ones go elsewhere, then it exits with 0."""
    ports, web, load = [run.port(), run.port()], run.port(), run.port()
    target = run.port()
    count, streams, last = run.size(8_000_000, 400_000), 8, 1_000
    pattern, seen = Pattern(61), threading.Event()

    def serve(connection):
        first = int(receive_exactly(connection, 1)[0])
        pattern.send(connection, count, offset=first * 1_000_003)
        connection.recv(1)

    def fetch(number, problems, bar):
        try:
            with run.lab.connect("a", load, seconds=PATIENCE * 4) as client:
                client.sendall(bytes([number]))
                pattern.receive(client, count // 4, offset=number * 1_000_003)
                bar.wait(PATIENCE * 4)
                pattern.receive(client, count - count // 4 - last, offset=number * 1_000_003 + count // 4)
                # Else all might be over before anybody has looked.
                check(seen.wait(PATIENCE * 4), "it was never seen to be leaving")
                pattern.receive(client, last, offset=number * 1_000_003 + count - last)
        except (OSError, Failure, threading.BrokenBarrierError) as problem:
            problems.append(f"transfer {number}: {problem}")

    limits = "limits: {drain_timeout: 5m}\n"
    with (Server(run.lab, "b", target, serve),
          Trio(run, {"web": (web, ports), "load": (load, [target, target])}, limits=limits) as trio):
        for name, port in zip(DESTINATIONS, ports):
            start_nginx(run, name, port)
        problems, bar = [], threading.Barrier(streams + 1)
        threads = [threading.Thread(target=fetch, args=(i, problems, bar), daemon=True) for i in range(streams)]
        for thread in threads:
            thread.start()
        # All of them are in mid-transfer when it is told to stop.
        try:
            bar.wait(PATIENCE * 4)
        except threading.BrokenBarrierError:
            raise Failure(f"the transfers did not begin: {problems}") from None
        start = time.monotonic()
        first = trio.clouds[0].process
        first.expected_dead = True
        first.popen.send_signal(signal.SIGTERM)
        trio.wait_for("leaving", "ready", seconds=PATIENCE)
        seen.set()
        answers, times = ask_for(run.lab, web, 0.5)
        check(set(answers) == {"cloud-2"}, f"answers came from {set(answers)}")
        for thread in threads:
            thread.join(PATIENCE * 8)
        check(not problems, "; ".join(problems))
        check(first.wait(PATIENCE * 2) == 0, f"the drained gateway: {first.ending()}")
        seconds = time.monotonic() - start
    run.note(bytes=count * streams, drain_seconds=seconds)
    return (f"{streams} transfers of {count / 1e6:.1f} MB whole, the gateway ended {seconds:.2f} s after SIGTERM; "
            f"{len(times)} new connections elsewhere: {milliseconds(times)}")
