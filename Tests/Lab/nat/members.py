"""Two members of a group and its matchmakers, on the hosts of a network with NATs."""

import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import tempfile

from harness.data import Pattern, Server, receive_exactly
from harness.gateway import binary, command, matchmaker_binary
from harness.lab import Failure, Process, check, wait_until

from .networks import MATCHMAKERS

# Words that nothing else contains, so that a capture can be searched for them.
NAMES = {"a": "walrus-edge", "b": "heron-cloud", "c": "stork-hub"}
GROUP, TUNNELS = "otterplant", {"a": "badgerweb", "b": "lynxweb"}
TARGET = ("127.44.55.66", 8099)
PORTS = {"a": 8001, "b": 8002}
OTHER = {"a": "b", "b": "a"}


class Unix(http.client.HTTPConnection):
    """HTTP to a gateway's control socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20.0)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path, what):
    """A GET of the control API; None when nobody answers there yet."""
    connection = Unix(path)
    try:
        connection.request("GET", what)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Group:
    """The states of two members and two matchmakers, made once for all tests: each test begins with copies of them.

    They are made in a network namespace of its own where the two see each other; each has a tunnel to the other, listening at
    `PORTS`, and the target `TARGET`. A third member `c` is no end of them.
    """

    def __init__(self, identity, members="ab"):
        self.members = members
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="dxnat-"))
        self.directory.chmod(0o711)
        self.space = f"lab-{identity}-group"
        self._running = []
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def remove(self):
        self._leave()
        shutil.rmtree(self.directory, ignore_errors=True)

    def state(self, who):
        return self.directory / who

    def _make_space(self):
        """The network namespace, and what `init` is told of the matchmakers."""
        subprocess.run(["ip", "netns", "del", self.space], capture_output=True)
        subprocess.run(["ip", "netns", "add", self.space], check=True)
        subprocess.run(["ip", "-n", self.space, "link", "set", "lo", "up"], check=True)
        self.pins, options = {}, []
        for name, (address, _) in MATCHMAKERS.items():
            said = subprocess.run([matchmaker_binary(), "pin", "--state", self.state(name)], capture_output=True, text=True)
            check(said.returncode == 0, f"dxmatchd pin: {said.stderr}")
            self.pins[name] = said.stdout.strip()
            options += ["--match", f"{address}:3478#{self.pins[name]}"]
        return options

    def _make(self):
        options = self._make_space()
        command("init", "--group", GROUP, "--name", NAMES["a"], "--state", self.state("a"), *options)
        self._run("a")
        for who in self.members[1:]:
            token = json.loads(command("invite", "--name", NAMES[who], "--state", self.state("a"), "--json").stdout)
            token = token["invitations"][0]["token"]
            self._inside("join", token, "--state", self.state(who))
            self._run(who)
        for here, there in OTHER.items():
            command("tunnel", "add", TUNNELS[here], "--origin", f"{NAMES[here]}@127.0.0.1:{PORTS[here]}",
                    "--destination", f"{NAMES[there]}@{TARGET[0]}:{TARGET[1]}", "--state", self.state("a"))
        wait_until(self._agree, "the members know both tunnels and each other", 60.0, alive=self._running)
        self._leave()
        for who in self.members:
            (self.state(who) / "control.sock").unlink(missing_ok=True)

    def _agree(self):
        def knows(who):
            tunnels = ask(self.state(who) / "control.sock", "/v1/tunnels")
            members = ask(self.state(who) / "control.sock", "/v1/members")
            return (tunnels and len(tunnels["tunnels"]) == 2 and members and len(members["members"]) == len(self.members)
                    and all(member["addresses"] for member in members["members"]))
        return all(knows(who) for who in self.members)

    def _inside(self, *arguments):
        result = subprocess.run(["ip", "netns", "exec", self.space, binary(), *map(str, arguments)],
                                capture_output=True, text=True, timeout=60)
        check(result.returncode == 0, f"dxgateway {arguments[0]}: {result.stderr.strip()}")

    def _run(self, who):
        process = Process(f"gateway {who}", ["ip", "netns", "exec", self.space, binary(), "run", "--state", self.state(who)],
                          self.directory / f"make-{who}.log")
        self._running.append(process)
        wait_until(lambda: ask(self.state(who) / "control.sock", "/v1/status"), f"gateway {who} answers", 60.0,
                   alive=[process])

    def _leave(self):
        for process in self._running:
            process.stop()
        self._running = []
        subprocess.run(["ip", "netns", "del", self.space], capture_output=True)


def serve(connection):
    """The target: for a number N (8 bytes) it sends N bytes of a pattern, then takes as many of another one back."""
    while True:
        try:
            head = connection.recv(8, socket.MSG_WAITALL)
        except ConnectionError:
            return      # between two requests a connection may end as it likes
        if len(head) < 8:
            return
        count = int.from_bytes(head, "big")
        DOWN.send(connection, count)
        UP.receive(connection, count)
        connection.sendall(b"\x06")


DOWN, UP = Pattern("down"), Pattern("up")


def carry(connection, count):
    """`count` bytes each way through a tunnel, every one compared."""
    connection.sendall(count.to_bytes(8, "big"))
    DOWN.receive(connection, count)
    UP.send(connection, count)
    check(receive_exactly(connection, 1) == b"\x06", "the target did not confirm")


@dataclasses.dataclass
class Line:
    """A line of a gateway's log."""

    time: float
    text: str


class Pair:
    """The members `a` and `b` on the hosts of these names, and matchmakers on m1 and m2. Nothing runs until it is started."""

    def __init__(self, run, group, name="pair"):
        self.run, self.lab, self.group = run, run.lab, group
        self.directory = run.directory / name
        self.directory.mkdir(mode=0o711)
        self.gateways, self.matchmakers, self._starts = {}, {}, 0
        for who in group.members:
            shutil.copytree(group.state(who), self.state(who))
        for who in MATCHMAKERS:
            shutil.copytree(group.state(who), self.state(who))

    def state(self, who):
        return self.directory / who

    def start_matchmaker(self, name="m1", *options):
        """Runs a matchmaker and waits until it serves."""
        first, second = MATCHMAKERS[name]
        log = self.directory / f"{name}.log"
        process = self.lab.start(
            name, [matchmaker_binary(), "run", "--open", "--listen", f"{first}:3478", "--alternate", f"{second}:3479",
                   "--drain-seconds", 0, "--state", self.state(name), *options], f"matchmaker {name}", log)
        self.matchmakers[name] = process
        wait_until(lambda: self.lab.udp_bound(name, 3478), f"matchmaker {name} serves", 60.0, alive=[process])
        return process

    def start(self, who, *more, host=None):
        """Runs a gateway, on the host of its name unless told otherwise; it is not waited for. Returns when it was started."""
        self._starts += 1
        (self.state(who) / "control.sock").unlink(missing_ok=True)
        options = shlex.split(os.environ.get("DX_RUN_OPTIONS", "--log-level debug"))
        process = self.lab.start(host or who, [binary(), "run", "--state", self.state(who), *options, *more], f"gateway {who}",
                                 self.directory / f"{who}-{self._starts}.log")
        self.gateways[who] = process
        return datetime.datetime.now().timestamp()

    def stop(self, who):
        check(self.gateways.pop(who).stop(45.0), f"gateway {who} did not end on SIGTERM")

    def kill9(self, who):
        self.gateways.pop(who).kill9()

    def check_alive(self):
        for who, process in self.gateways.items():
            check(process.running(), f"gateway {who} ended by itself: {process.ending()}")

    # ---- what they say

    def status(self, who):
        return ask(self.state(who) / "control.sock", "/v1/status")

    def peer(self, who):
        """What a gateway says of the other one; None while it says nothing."""
        status = self.status(who)
        return next((peer for peer in status["peers"] if peer["name"] == NAMES[OTHER[who]]), None) if status else None

    def connected(self, who):
        peer = self.peer(who)
        return peer if peer and peer["state"] == "connected" else None

    def wait_connected(self, seconds=90.0):
        """Until both have a session with the other; the seconds it took."""
        return wait_until(lambda: self.connected("a") and self.connected("b"), "both gateways are connected", seconds,
                          alive=self.gateways.values())[1]

    def wait_log(self, who, text, since=0.0, seconds=60.0, count=1):
        """Until a gateway has logged `text` (a regular expression) so often since a time; the last of these lines."""
        def found():
            lines = self.log(who, text, since)
            return lines[count - 1] if len(lines) >= count else None
        return wait_until(found, f"the log of {who} says: {text}", seconds, alive=[self.gateways[who]])[0]

    def log(self, who, text="", since=0.0):
        """The lines of a running gateway's log that contain `text` (a regular expression), from a time on."""
        found = []
        for line in self.gateways[who].output().splitlines():
            stamp = line.split(" ", 1)[0]
            with contextlib.suppress(ValueError):
                time = datetime.datetime.fromisoformat(stamp).timestamp()
                # Of the log's times only the milliseconds are there.
                if time >= since - 0.001 and re.search(text, line):
                    found.append(Line(time, line))
        return found

    # ---- what passes their tunnels

    @contextlib.contextmanager
    def targets(self, hosts="ab", handler=serve):
        with contextlib.ExitStack() as stack:
            for host in hosts:
                stack.enter_context(Server(self.lab, host, TARGET[1], handler, TARGET[0]))
            yield

    def connect(self, who="a", seconds=90.0, hello=None):
        """A connection through a gateway's tunnel that has carried its first byte, however often it takes.

        `hello`: for a target that sends back what it gets.
        """
        def attempt():
            connection = None
            try:
                connection = self.lab.connect(who, PORTS[who], seconds=min(seconds, 15.0))
                # No bytes of patterns: the confirmation comes at once.
                connection.sendall(hello or bytes(8))
                if receive_exactly(connection, 1) == (hello or b"\x06"):
                    # From now on it may be silent for longer: two introductions in vain, or a keepalive to a server that has forgotten.
                    connection.settimeout(90.0)
                    return connection
            except (OSError, Failure):
                pass
            if connection:
                connection.close()
            return None
        return wait_until(attempt, f"the first byte through the tunnel of {who}", seconds,
                          alive=self.gateways.values())[0]


def way_of(peer):
    """The address that a peer is reached at, without its port."""
    return peer["remote_address"].rsplit(":", 1)[0]
