"""Real `dxgateway` processes: their keys, their configuration files, their state.

The program is the one that DX_BIN names, else the release build of this checkout. DX_RUN_OPTIONS
is added to `dxgateway run`, for example "--log-level debug".
"""

import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess

from .lab import ROOT, Failure, check, wait_until

# A gateway id: base32 of a SHA-256, 52 characters, lower case, no padding.
IDENTITY = re.compile(r"(?<![a-z2-7])[a-z2-7]{52}(?![a-z2-7])")
PORTS = {"a": 7701, "b": 7700}
ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}
ADDRESSES_V6 = {"a": "2001:db8::1", "b": "2001:db8::2"}
NAMES = {"a": "edge-1", "b": "cloud-1"}


def binary():
    """The dxgateway program under test."""
    path = pathlib.Path(os.environ.get("DX_BIN", ROOT / ".build/release/dxgateway")).resolve()
    if not os.access(path, os.X_OK):
        raise SystemExit(f"no program at {path}: build it (swift build -c release --product dxgateway) or set DX_BIN")
    return path


def matchmaker_binary():
    """The dxmatchd under test: the one that DX_MATCH_BIN names, else that beside the gateway's program."""
    path = pathlib.Path(os.environ.get("DX_MATCH_BIN", binary().parent / "dxmatchd")).resolve()
    if not os.access(path, os.X_OK):
        raise SystemExit(f"no program at {path}: build it (scripts/release) or set DX_MATCH_BIN")
    return path


def command(*arguments, seconds=30.0, ok=True):
    """Run a dxgateway verb to its end."""
    try:
        result = subprocess.run(
            [binary(), *[str(a) for a in arguments]], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failure(f"dxgateway {arguments[0]} did not end within {seconds:g} s") from None
    if ok:
        check(result.returncode == 0,
              f"dxgateway {' '.join(map(str, arguments))} exited with {result.returncode}: {result.stderr.strip()}")
    return result


def make_identity(path):
    """`dxgateway keygen`: writes a key file, returns the gateway id."""
    said = command("keygen", "--out", path).stdout
    found = IDENTITY.search(said)
    check(found is not None, f"keygen printed no gateway id: {said!r}")
    return found.group()


def make_veil(path):
    command("keygen", "--veil", "--out", path)


@dataclasses.dataclass
class Tunnel:
    """A right for `origin` ('a' or 'b') to reach `target` through the other gateway.

    `listen` and `target` are what the file says; a bare port means 127.0.0.1. `options` are further keys of the tunnel.
    """

    name: str
    listen: str
    target: str
    origin: str = "a"
    udp: bool = False
    options: dict = dataclasses.field(default_factory=dict)     # further keys of the file

    def __post_init__(self):
        self.listen, self.target = (
            f"127.0.0.1:{value}" if isinstance(value, int) else value for value in (self.listen, self.target))

    @property
    def destination(self):
        return "b" if self.origin == "a" else "a"

    @property
    def port(self):
        """The local TCP port of the origin, of a range the first."""
        return int(self.listen.rsplit(":", 1)[1].split("-")[0])

    @property
    def socket(self):
        """The path of the origin's unix socket, or None."""
        return self.listen.removeprefix("unix:") if self.listen.startswith("unix:") else None


class Gateway:
    """One gateway on a host of the lab."""

    def __init__(self, lab, host, directory, listen=None, name=None):
        self.lab, self.host = lab, host
        self.name = name or NAMES[host]
        self.listen = listen or f":{PORTS[host]}"
        self.directory = pathlib.Path(directory) / self.name
        self.directory.mkdir(mode=0o700)
        self.key = self.directory / "identity.key"
        self.id = make_identity(self.key)
        self.config = self.directory / "gateway.yaml"
        self.control = self.directory / "control.sock"
        self.process = None
        self.starts = 0
        self.before = []        # what it is started by: ["prlimit", "--nofile=96"]

    def write_config(self, veil, peers, tunnels, extra=""):
        """`peers`: (name, id, [addresses]); `tunnels`: those this gateway knows of."""
        lines = [
            f"name: {self.name}", "identity: identity.key", f"veil: {veil}", f'listen: "{self.listen}"',
            "control: control.sock", "peers:" if peers else "peers: []"]
        for name, identity, addresses in peers:
            listed = ", ".join(f'"{address}"' for address in addresses)
            lines += [f"  - name: {name}", f'    id: "{identity}"', f"    addresses: [{listed}]"]
        lines.append("tunnels:" if tunnels else "tunnels: []")
        for tunnel in tunnels:
            lines += [
                f"  - name: {tunnel.name}",
                f'    origins: [{{gateway: {NAMES[tunnel.origin]}, listen: "{tunnel.listen}"}}]',
                f'    destinations: [{{gateway: {NAMES[tunnel.destination]}, target: "{tunnel.target}"}}]']
            options = ({"protocol": "udp"} if tunnel.udp else {}) | tunnel.options
            lines += [f"    {key}: {value}" for key, value in options.items()]
        self.config.write_text("\n".join(lines) + "\n" + extra)

    def start(self):
        self.starts += 1
        self.process = self.lab.start(
            self.host, [*self.before, binary(), "run", "--config", self.config, *os.environ.get("DX_RUN_OPTIONS", "").split()], f"gateway {self.name}",
            self.directory / f"run-{self.starts}.log")
        return self

    def status(self, *, seconds=10.0):
        """What `dxgateway status --json` says."""
        said = command("status", "--json", "--control", self.control, seconds=seconds).stdout
        try:
            return json.loads(said)
        except json.JSONDecodeError:
            raise Failure(f"status --json of {self.name} is not JSON: {said[:200]!r}") from None

    def wait_control(self):
        """Until the control socket answers; returns the status."""
        def ask():
            result = command("status", "--json", "--control", self.control, ok=False)
            return result.returncode == 0
        wait_until(ask, f"status of {self.name}", 20.0, alive=[self.process])
        return self.status()

    def check_alive(self):
        check(self.process.running(), f"gateway {self.name} ended by itself: {self.process.ending()}")

    def stop(self):
        """SIGTERM must be enough, and must end it with status 0."""
        process, self.process = self.process, None
        if process is None or process.expected_dead:
            return
        check(process.running(), f"gateway {self.name} ended by itself: {process.ending()}")
        # Connections that a test left open have drain_timeout, 30 s.
        check(process.stop(45.0), f"gateway {self.name} did not end within 45 s of SIGTERM")
        check(process.popen.returncode == 0, f"gateway {self.name} on SIGTERM: {process.ending()}")

    def kill9(self):
        self.process.kill9()


class Pair:
    """Gateway `edge-1` on host a and `cloud-1` on host b, pinned to one another.

    a knows the address of b, or several; b waits to be called, unless `callback` gives it an address of a.
    Leaving the `with` block ends both, and fails when one had ended by itself, or does not
    end on SIGTERM. `extra` are further lines of both files.
    """

    def __init__(self, lab, directory, tunnels, v6=False, address=None, callback=False, tunnels_of_b=None, start=True, extra=""):
        self.lab = lab
        self.tunnels = tunnels
        directory = pathlib.Path(directory)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.veil = directory / "group.key"
        make_veil(self.veil)
        self.a = Gateway(lab, "a", directory)
        self.b = Gateway(lab, "b", directory)
        if address is None:
            address = f"[{ADDRESSES_V6['b']}]" if v6 else ADDRESSES["b"]
        self._to_b = [f"{each}:{PORTS['b']}" for each in ([address] if isinstance(address, str) else address)]
        self.extra = extra
        self._to_a = [f"{ADDRESSES['a']}:{PORTS['a']}"] if callback else []
        self._tunnels_of_b = tunnels if tunnels_of_b is None else tunnels_of_b
        self.rewrite()
        self.autostart = start

    def rewrite(self):
        """Write both configuration files (again, after a change to a gateway's `listen`)."""
        self.a.write_config("../group.key", [(self.b.name, self.b.id, self._to_b)], self.tunnels, self.extra)
        self.b.write_config("../group.key", [(self.a.name, self.a.id, self._to_a)], self._tunnels_of_b, self.extra)

    def __enter__(self):
        if self.autostart:
            self.b.start()
            self.a.start()
            self.wait_ready()
        return self

    def __exit__(self, kind, *_):
        problems = []
        for gateway in (self.a, self.b):
            try:
                gateway.stop()
            except Failure as problem:
                problems.append(str(problem))
        if problems and kind is None:
            raise Failure("; ".join(problems))
        if problems:
            print("     also: " + "; ".join(problems))

    def gateway(self, host):
        return self.a if host == "a" else self.b

    def wait_ready(self, seconds=30.0):
        """Until every tunnel's origin listens: a destination has answered by then."""
        for tunnel in self.tunnels:
            origin = self.gateway(tunnel.origin)
            # A UDP port is taken before it is open: the gateway says when it is.
            ready = ((lambda: self.is_active(origin, tunnel)) if tunnel.udp
                     else (lambda: os.path.exists(tunnel.socket)) if tunnel.socket
                     else lambda: self.lab.listening(tunnel.origin, tunnel.port))
            wait_until(ready, f"{origin.name} listens for tunnel {tunnel.name}", seconds,
                       alive=[g.process for g in (self.a, self.b) if g.process and not g.process.expected_dead])

    @staticmethod
    def is_active(gateway, tunnel):
        """Does a gateway say that a tunnel is active?"""
        said = command("status", "--json", "--control", gateway.control, ok=False)
        if said.returncode != 0:
            return False
        return any(each["name"] == tunnel.name and each["state"] == "active" for each in json.loads(said.stdout)["tunnels"])

    def connect(self, tunnel, seconds=30.0):
        """A client's connection to the local port of `tunnel`."""
        address = tunnel.listen.rsplit(":", 1)[0].strip("[]")
        if address == "localhost":
            address = "127.0.0.1"
        return self.lab.connect(tunnel.origin, tunnel.port, address, seconds)

    def wait_working(self, tunnel, exchange, seconds=60.0):
        """Until `exchange(connection)` succeeds on a new connection; returns the seconds it took."""
        def attempt():
            try:
                with self.connect(tunnel, 5.0) as connection:
                    return exchange(connection)
            except (OSError, Failure):
                return False
        alive = [g.process for g in (self.a, self.b) if g.process and not g.process.expected_dead]
        return wait_until(attempt, f"a new connection through tunnel {tunnel.name} works", seconds, alive=alive)[1]

    def wait_idle(self, seconds=60.0):
        """Until neither gateway holds a connection, a stream or a byte: nothing stays behind.

        Fails with what is left after `seconds`; call it when every connection has been closed.
        """
        left = {}

        def idle():
            left.clear()
            for gateway in (self.a, self.b):
                status = gateway.status()
                found = {
                    "connections": sum(tunnel["open_connections"] for tunnel in status["tunnels"]),
                    "streams": sum(peer["open_streams"] for peer in status["peers"]),
                    "buffered bytes": status["memory"]["used_bytes"]}
                left.update({f"{what} at {gateway.name}": count for what, count in found.items() if count})
            return not left
        try:
            wait_until(idle, "nothing stays behind", seconds, alive=[self.a.process, self.b.process])
        except Failure as error:
            raise Failure(f"after all connections ended there are still: {left} ({error})") from None

    def memory(self):
        """Resident bytes of (a, b)."""
        return self.a.process.memory(), self.b.process.memory()


def is_reset(error):
    """Did TCP say 'refused' or 'reset'?"""
    return isinstance(error, (ConnectionResetError, ConnectionRefusedError, BrokenPipeError))


def read_ending(connection, seconds=60.0):
    """Read until the connection ends; returns ('eof' | 'reset', bytes read before)."""
    connection.settimeout(seconds)
    got = bytearray()
    while True:
        try:
            part = connection.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return "reset", bytes(got)
        except socket.timeout:
            raise Failure(f"the connection neither ended nor delivered anything for {seconds:g} s") from None
        if not part:
            return "eof", bytes(got)
        got += part
