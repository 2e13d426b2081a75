"""A network of namespaces (lab.sh), programs on its hosts, and sockets that live in them.

A test is one process. It opens its own sockets inside a host of the network with
`Lab.connect` and `Lab.listen`: a socket belongs for ever to the namespace that its thread was
in when it was made, so clients and servers of a test can be plain code side by side.

Nothing here sleeps to be in step with something else: `wait_until` polls a condition and
fails, with words, at its deadline.
"""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
CLONE_NEWNET = 0x40000000
TCP_LISTEN, TCP_SYN_SENT, TCP_ESTABLISHED = "0A", "02", "01"

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(AssertionError):
    """A test found what it should not have found; the text says what."""


class WasReset(socket.socket):
    """A connection that was reset so soon that `connect` said so: who uses it hears it as of one that is reset later."""

    def _tell(self, *_):
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    recv = recv_into = send = sendall = shutdown = _tell


def check(condition, message):
    """Fail the running test with `message` unless `condition` holds."""
    if not condition:
        raise Failure(message)


def wait_until(condition, what, seconds=30.0, alive=()):
    """Poll `condition` until it is true, and return its value and the seconds it took.

    Fails after `seconds`, or at once when a process of `alive` has ended.
    """
    start = time.monotonic()
    while True:
        value = condition()
        now = time.monotonic()
        if value:
            return value, now - start
        for process in alive:
            check(process.running(), f"{process.name} ended ({process.ending()}) while waiting for: {what}")
        check(now - start < seconds, f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def ensure_packages(*items):
    """Install missing Debian packages (scripts/packages), or stop with its message."""
    if subprocess.run([ROOT / "scripts/packages", *items]).returncode != 0:
        raise SystemExit(1)


def unavailable():
    """The reason why no lab can be built here, or None."""
    if os.geteuid() != 0:
        return "not root"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        return f"no network namespaces here ({probe.stderr.strip()})"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    return None


class Process:
    """A program started by a test: its output goes to a file, and it ends when told."""

    def __init__(self, name, argv, log, environment=None, stdin=subprocess.DEVNULL, descriptors=()):
        self.name = name
        self.log = pathlib.Path(log)
        self.expected_dead = False
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdin=stdin, stdout=output, stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment}, start_new_session=True, pass_fds=descriptors)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def ending(self):
        """How it ended, in words."""
        code = self.popen.poll()
        if code is None:
            return "still running"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def output(self):
        return self.log.read_text(errors="replace")

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs after {seconds:g} s") from None

    def kill9(self):
        """End it as a crash or a power cut would: it gets no chance to say goodbye."""
        self.expected_dead = True
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds=10.0):
        """SIGTERM, then SIGKILL after `seconds`; returns True when SIGTERM was enough."""
        self.expected_dead = True
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                return False
        return True

    def memory(self, key="VmRSS"):
        """Resident memory in bytes (`VmHWM`: its highest value so far)."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise Failure(f"{self.name} has no {key}: it is not running")

    def lowest_free_descriptor(self):
        """All numbers below this one are in use: as a limit (RLIMIT_NOFILE) it leaves not one."""
        return next(number for number in range(1 << 20) if not os.path.lexists(f"/proc/{self.pid}/fd/{number}"))

    def cpu_seconds(self):
        """User plus system time so far, to the nanosecond (the process's own CPU clock)."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def cpu_split(self):
        """(user, system) seconds so far, in the kernel's clock ticks."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / tick, int(fields[12]) / tick


class Lab:
    """A network that `lab.sh` built, and everything a test started in it."""

    def __init__(self, identity, topology, link=None, stats_dir=None, settings=None):
        self.identity = identity
        self.topology = topology
        self.link = link
        self.settings = settings or {}      # of `lab.sh up`, such as {"LAB_OVERLAP": 1}
        self.stats_dir = stats_dir
        self.processes = []
        self._undo = []
        self._lock = threading.Lock()

    def _script(self, *arguments, **options):
        # What the caller's environment says of networks is not meant for those of tests.
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("LAB_") or key in ("LAB_BUILD", "LAB_RUN", "LAB_SEED")}
        environment["LAB_ID"] = self.identity
        environment |= {key: str(value) for key, value in self.settings.items()}
        if self.link:
            environment["LAB_LINK"] = self.link
        if self.stats_dir:
            environment["LAB_STATS_DIR"] = str(self.stats_dir)
        return subprocess.run(
            [HERE / "lab.sh", *arguments], env=environment, text=True, capture_output=True, **options)

    def up(self):
        result = self._script("up", self.topology)
        check(result.returncode == 0, f"lab.sh up {self.topology}: {result.stderr.strip()}")

    def down(self):
        self.stop_all()
        self._script("down")
        for host in "ab":
            with contextlib.suppress(FileNotFoundError):
                (self.etc(host) / "hosts").unlink()
                self.etc(host).rmdir()

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def link_command(self, *command):
        """`lab.sh link ...`: change an emulated link; returns what it said."""
        result = self._script("link", *command)
        check(result.returncode == 0, f"lab.sh link {' '.join(command)}: {result.stderr.strip()}")
        return result.stdout

    def nat_command(self, *command):
        """`lab.sh nat ...`: control a NAT; returns what it said."""
        result = self._script("nat", *command)
        check(result.returncode == 0, f"lab.sh nat {' '.join(command)}: {result.stderr.strip()}")
        return result.stdout

    def nats(self):
        """The names of the network's NATs."""
        place = pathlib.Path(os.environ.get("LAB_RUN", "/run/netlab")) / self.identity / "nats"
        return sorted(path.name for path in place.iterdir()) if place.is_dir() else []

    def stats(self):
        """The counters of all emulated links and NATs, by `link-NAME` and `nat-NAME`."""
        result = self._script("stats")
        check(result.returncode == 0, f"lab.sh stats: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def namespace(self, host):
        return f"lab-{self.identity}-{host}"

    def etc(self, host):
        """Files here replace those of /etc for programs on `host` (ip-netns(8))."""
        return pathlib.Path("/etc/netns") / self.namespace(host)

    def set_hosts(self, host, names):
        """Give `host` an /etc/hosts of its own: {name: address}."""
        self.etc(host).mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}\n" for name, address in names.items()]
        (self.etc(host) / "hosts").write_text("".join(lines))

    # ---- programs

    def start(self, host, argv, name, log, **options):
        """Start a program on `host`; it is ended with the lab at the latest."""
        process = Process(name, ["ip", "netns", "exec", self.namespace(host), *argv], log, **options)
        with self._lock:
            self.processes.append(process)
        return process

    def run(self, host, argv, seconds=60.0, ok=True, **options):
        """Run a program on `host` to its end; fails unless it exits with 0 (or `ok` is False)."""
        options = {"capture_output": True, "text": True, **options}
        try:
            result = subprocess.run(
                ["ip", "netns", "exec", self.namespace(host), *[str(a) for a in argv]], timeout=seconds, **options)
        except subprocess.TimeoutExpired:
            raise Failure(f"{argv[0]} did not end within {seconds:g} s") from None
        if ok:
            check(result.returncode == 0,
                  f"{argv[0]} exited with {result.returncode}: {str(result.stderr or result.stdout or '').strip()[-600:]}")
        return result

    def at_end(self, function):
        """Call this when the running test is over, however it ends: the tests of a cell share one network."""
        with self._lock:
            self._undo.append(function)

    def stop_all(self):
        """End what a test started, and undo what it changed."""
        with self._lock:
            processes, self.processes = self.processes, []
            undo, self._undo = self._undo, []
        for process in reversed(processes):
            process.stop(5.0)
        for function in reversed(undo):
            function()

    # ---- sockets

    @contextlib.contextmanager
    def inside(self, host):
        """The calling thread is on `host`: sockets made here belong to it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        target = os.open(f"/run/netns/{self.namespace(host)}", os.O_RDONLY)
        try:
            if _libc.setns(target, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {host}")
            yield
        finally:
            _libc.setns(home, CLONE_NEWNET)
            os.close(target)
            os.close(home)

    def socket(self, host, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        with self.inside(host):
            return socket.socket(family, kind)

    def connect(self, host, port, address="127.0.0.1", seconds=30.0):
        """A TCP connection from `host`; its operations fail after `seconds` of silence."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.socket(host, family)
        made.settimeout(seconds)
        try:
            made.connect((address, port))
        except ConnectionResetError:        # it was accepted, and over before this returned
            return WasReset(fileno=made.detach())
        except BaseException:
            made.close()
            raise
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def listen(self, host, port, address="127.0.0.1", backlog=1024, seconds=60.0):
        """A TCP listener on `host`."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.socket(host, family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(seconds)
        made.bind((address, port))
        made.listen(backlog)
        return made

    def _tcp_table(self, host, names=("tcp", "tcp6")):
        with self.inside(host):
            for name in names:
                with contextlib.suppress(FileNotFoundError), open(f"/proc/thread-self/net/{name}") as table:
                    next(table)
                    for line in table:
                        yield line.split()

    def listening(self, host, port):
        """Does anything on `host` listen on this TCP port?"""
        wanted = f":{port:04X}"
        return any(row[1].endswith(wanted) and row[3] == TCP_LISTEN for row in self._tcp_table(host))

    def listening_v4(self, host, port):
        """The same, for IPv4 alone."""
        wanted = f":{port:04X}"
        return any(row[1].endswith(wanted) and row[3] == TCP_LISTEN for row in self._tcp_table(host, ("tcp",)))

    def connections(self, host, port):
        """How many TCP connections to this port of `host` are up?"""
        wanted = f":{port:04X}"
        return sum(row[1].endswith(wanted) and row[3] == TCP_ESTABLISHED for row in self._tcp_table(host))

    def connecting(self, host, port):
        """Has `host` a TCP connection to this port whose SYN nobody answered yet?"""
        wanted = f":{port:04X}"
        return any(row[2].endswith(wanted) and row[3] == TCP_SYN_SENT for row in self._tcp_table(host))

    def udp_queue(self, host, port):
        """(bytes waiting in, datagrams dropped at) the UDP sockets of `host` on this port."""
        waiting = dropped = 0
        with self.inside(host):
            for name in ("udp", "udp6"):
                with contextlib.suppress(FileNotFoundError), open(f"/proc/thread-self/net/{name}") as table:
                    next(table)
                    for line in table:
                        row = line.split()
                        if row[1].endswith(f":{port:04X}"):
                            waiting += int(row[4].split(":")[1], 16)
                            dropped += int(row[-1])
        return waiting, dropped

    def udp_bound(self, host, port):
        """Has any UDP socket of `host` this local port?"""
        with self.inside(host):
            for name in ("udp", "udp6"):
                with contextlib.suppress(FileNotFoundError), open(f"/proc/thread-self/net/{name}") as table:
                    next(table)
                    if any(line.split()[1].endswith(f":{port:04X}") for line in table):
                        return True
        return False
