"""A group of `dxgateway` processes, one on each host of the topology `group`, each with a state directory."""

import json
import os
import pathlib
import re
import shlex

from harness.gateway import binary, command
from harness.lab import check, wait_until

HOSTS = "abcde"
ADDRESSES = {host: f"192.0.2.{11 + number}" for number, host in enumerate(HOSTS)}
NAMES = {"a": "hq", "b": "edge-b", "c": "edge-c", "d": "edge-d", "e": "edge-e"}


class Fleet:
    """The gateways that run, by host. `a` makes the group, the others join by tokens."""

    def __init__(self, lab, directory, sealed=False):
        self.lab, self.directory, self.running = lab, directory, {}
        self.sealed = sealed        # nobody can write but in the state directory
        self.clocks = {}            # what some hosts take for the time
        self.cuts = set()           # (host, address) that cannot be reached from it
        self.counted = set()        # hosts whose datagrams the kernel counts
        lab.at_end(self.heal)
        directory.mkdir()
        directory.chmod(0o711)
        self.run("a", "init", "--group", "plant", "--name", NAMES["a"], "--state", self.state("a"))
        self.start("a")

    def state(self, host):
        return self.directory / host

    def start(self, host, waits=True):
        """Starts a gateway and waits until it answers."""
        self.running[host] = process = self.launch(host)
        if waits:
            wait_until(lambda: self.verb(host, "status", ok=None) is not None, f"the gateway on {host} runs", 120.0,
                       alive=[process])

    def launch(self, host):
        """The process of a gateway."""
        options = shlex.split(os.environ.get("DX_RUN_OPTIONS", ""))
        command = [*self.before(host), binary(), "run", "--state", self.state(host), *self.settings(host), *options]
        return self.lab.start(host, command, f"gateway {host}", self.directory / f"{host}.log")

    def settings(self, host):
        """More of what a gateway is run with."""
        return []

    def run(self, host, *arguments):
        """A verb of the program on `host`, to its end."""
        return self.lab.run(host, [*self.before(host), binary(), *arguments]).stdout

    def before(self, host):
        """What a program is started by, for a world of its own."""
        return [*self.seal(host), *self.clock(host)]

    def seal(self, host):
        if not self.sealed:
            return []
        self.state(host).mkdir(mode=0o700, exist_ok=True)
        return [pathlib.Path(__file__).with_name("sealed"), self.state(host)]

    def clock(self, host):
        """Has a program take another time for the present one."""
        time = self.clocks.get(host)
        library = "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1".format(os.uname().machine)
        # The library adds to the environment, which moves it, and Swift finds a program's arguments beside it: a program in
        # between has it in order before. With the @ the clock runs from there on.
        return ["env", f"LD_PRELOAD={library}", f"FAKETIME=@{time}", "DONT_FAKE_MONOTONIC=1", "env"] if time else []

    def stop(self, host):
        check(self.running.pop(host).stop(45.0), f"the gateway on {host} did not end on SIGTERM")

    def verb(self, host, *arguments, ok=True):
        """A client verb of the gateway on `host`, as JSON; with `ok=None` nothing when it is refused."""
        result = command(*arguments, "--state", self.state(host), "--json", ok=ok is True)
        if ok is None and result.returncode != 0:
            # status ends with 0 whether it is healthy or not; 3 says that none runs.
            return None
        return json.loads(result.stdout) if result.returncode == 0 else result.stderr

    def join(self, host, *options):
        """A token of `a`, used on `host`."""
        token = self.verb("a", "invite", "--name", NAMES[host], *options)["invitations"][0]["token"]
        check(len(token) <= 300, f"a token of {len(token)} characters")
        path = self.directory / f"token-{host}"
        path.write_text(token)
        self.run(host, "join", f"@{path}", "--state", self.state(host))
        self.start(host)

    def members(self, host):
        return sorted(member["name"] for member in self.verb(host, "member", "list")["members"])

    def tunnels(self, host):
        return sorted(tunnel["definition"]["name"] for tunnel in self.verb(host, "tunnel", "list")["tunnels"])

    def problems(self, host):
        return self.verb(host, "status")["problems"]

    def wait_alike(self, hosts, members, seconds=60.0):
        """Until these hosts' gateways know exactly these members, and where they are; the seconds it took."""
        wanted = sorted(NAMES[host] for host in members)

        def alike(host):
            known = self.verb(host, "member", "list")["members"]
            return sorted(member["name"] for member in known) == wanted and all(member["addresses"] for member in known)
        return wait_until(lambda: all(alike(host) for host in hosts),
                          f"{', '.join(hosts)} know the members {wanted}", seconds)[1]

    def add_tunnel(self, admin, name, origin, port, destination, target):
        self.verb(admin, "tunnel", "add", name, "--origin", f"{NAMES[origin]}@127.0.0.1:{port}",
                  "--destination", f"{NAMES[destination]}@127.0.0.1:{target}")

    def wait_listening(self, host, port, seconds=60.0):
        return wait_until(lambda: self.lab.listening(host, port), f"{host} listens on {port}", seconds)[1]

    def datagrams_in(self, host):
        """UDP datagrams to `host` itself since this was asked first, whatever became of them. What is said to all of a network
        (`docs/matchmaking.md` 10) is none of them: nobody can be left out of it, and who is no member cannot read it."""
        if host not in self.counted:
            self.lab.run(host, ["nft", "add table inet count; add chain inet count in { type filter hook input priority 0; };"
                                " add rule inet count in meta pkttype host meta l4proto udp counter"])
            self.counted.add(host)
        rules = self.lab.run(host, ["nft", "list", "chain", "inet", "count", "in"]).stdout
        return int(re.search(r"counter packets (\d+)", rules).group(1))

    def part(self, one, other):
        """Cuts every path between two sets of hosts, until `join_parts` or the end of the test."""
        for host, address in self._paths(one, other) - self.cuts:
            self.lab.run(host, ["ip", "route", "add", "blackhole", f"{address}/32"])
            self.cuts.add((host, address))

    def join_parts(self, one, other):
        self._open(self._paths(one, other))

    def heal(self):
        """Opens all that was cut."""
        self._open(self.cuts)

    def _open(self, paths):
        for host, address in paths & self.cuts:
            self.lab.run(host, ["ip", "route", "del", "blackhole", f"{address}/32"])
            self.cuts.discard((host, address))

    @staticmethod
    def _paths(one, other):
        pairs = [(near, far) for near in one for far in other]
        return {(near, ADDRESSES[far]) for near, far in pairs} | {(far, ADDRESSES[near]) for near, far in pairs}
