"""What `netcheck` says of each kind of network, and what `explain` would change where there is no direct way.

Unlike the cells of run-nat these are about words: what an operator reads. Run by `run-explain`.
"""

import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile

from harness.gateway import binary, command, matchmaker_binary
from harness.lab import Lab, check, wait_until

SERVER, OTHER = "192.0.2.11", "192.0.2.12"
SEEN = {"none": "203.0.113.10"}

# By kind of network: the usual name, mapping, filtering, and whether a symmetric network is reached from there.
CONE = ("endpoint_independent",)
EXPECTED = {
    "none": ("no NAT", "none", "endpoint_independent", "direct"),
    "cone": ("full cone NAT", *CONE, "endpoint_independent", "direct"),
    "restricted": ("restricted cone NAT", *CONE, "address_dependent", "direct"),
    "portrestricted": ("port-restricted cone NAT", *CONE, "address_and_port_dependent", "by_prediction"),
    "double": ("port-restricted cone NAT", *CONE, "address_and_port_dependent", "by_prediction"),
    "linux": ("port-restricted cone NAT", *CONE, "address_and_port_dependent", "by_prediction"),
    "symmetric": ("symmetric NAT", "address_and_port_dependent", "address_and_port_dependent", "impossible"),
    "linuxrandom": ("symmetric NAT", "address_and_port_dependent", "address_and_port_dependent", "impossible"),
}
# What `explain` must say at a and at b of two networks without a direct way: the reason, and the one change.
MAP_PORT = ("both NATs choose outside ports that cannot be foreseen", "map a port to the gateway at either router")
ALLOW_UDP = ("this network lets no UDP out", "let UDP out of this network")
LOOK_THERE = ("is not registered with any matchmaker", "lets no UDP out")
IMPOSSIBLE = {
    ("symmetric", "symmetric"): (MAP_PORT, MAP_PORT),
    ("symmetric", "linuxrandom"): (MAP_PORT, MAP_PORT),
    ("udpblocked", "cone"): (ALLOW_UDP, LOOK_THERE),
}
# The lab forgets nothing by itself; ten seconds of silence say that UDP is blocked.
BLOCKED_WITHIN_MS = 11_000


class States:
    """A group of two and its matchmaker, made where the two see each other."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="dxexplain-"))
        self.directory.chmod(0o711)
        self.pin = subprocess.run([matchmaker_binary(), "pin", "--state", self.directory / "m1"], capture_output=True, text=True,
                                  check=True).stdout.strip()

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def make(self, lab):
        """On host a of a network, both gateways one after the other."""
        a, b = self.directory / "a", self.directory / "b"
        lab.run("a", [binary(), "init", "--group", "plant", "--name", "edge-a", "--state", a,
                      "--match", f"{SERVER}:3478#{self.pin}"])
        first = self.start(lab, "a", a)
        token = json.loads(command("invite", "--name", "edge-b", "--state", a, "--json").stdout)["invitations"][0]["token"]
        lab.run("a", [binary(), "join", token, "--state", b])
        second = self.start(lab, "a", b)
        command("tunnel", "add", "web", "--origin", "edge-a@127.0.0.1:8001", "--destination", "edge-b@127.0.0.1:8002",
                "--state", a)
        # b must know of the tunnel before the two are parted.
        wait_until(lambda: len(json.loads(command("tunnel", "list", "--state", b, "--json").stdout)["tunnels"]) == 1,
                   "both know the tunnel", 60.0, alive=[first, second])
        for process in (first, second):
            check(process.stop(45.0), "a gateway did not end on SIGTERM")

    def start(self, lab, host, state):
        (state / "control.sock").unlink(missing_ok=True)
        process = lab.start(host, [binary(), "run", "--state", state], f"gateway {state.name}",
                            self.directory / f"{state.name}.log")
        wait_until(lambda: command("status", "--state", state, "--json", ok=False).returncode == 0,
                   f"gateway {state.name} answers", 60.0, alive=[process])
        return process

    def serve(self, lab):
        process = lab.start("m1", [matchmaker_binary(), "run", "--open", "--listen", f"{SERVER}:3478", "--alternate",
                                   f"{OTHER}:3479", "--state", self.directory / "m1"], "matchmaker", self.directory / "m1.log")
        wait_until(lambda: lab.udp_bound("m1", 3478), "the matchmaker serves", 60.0, alive=[process])


def looked(result):
    """The JSON of a netcheck that ended as it says itself."""
    report = json.loads(result.stdout)
    check(report["usable"] == (result.returncode == 0), f"ended with {result.returncode}, usable: {report['usable']}")
    return report


def check_words(kind, report, text):
    """What netcheck says of a network where UDP passes."""
    name, mapping, filtering, symmetric = EXPECTED[kind]
    v4 = report["families"][0]
    nat = v4["nat"]
    check(nat["udp"] == "works" and nat["kind"] == name, f"{nat}")
    check((nat.get("mapping"), nat.get("filtering")) == (mapping, filtering), f"{nat}")
    check("symmetric NAT" in report["outlook"][symmetric], f"{report['outlook']}")
    check(all(address.startswith("203.0.113.10:") for address in v4["outside"]) and v4["outside"], f"{v4['outside']}")
    served = report["matchmakers"][0]
    check(served["state"] in ("answers", "registered") and served["stun"] and served["datagrams_of_1200_bytes"], f"{served}")
    check(0 < served["rtt_us"], "no round trip")
    check(f"IPv4              {name}" in text, text)


def netcheck(lab, *arguments):
    return lab.run("a", [binary(), "netcheck", *arguments], seconds=60.0, ok=False)


def test_networks(states, kind, identity):
    """Both ways of asking in a network of one kind; the figure says how long it took without a gateway."""
    with Lab(identity, f"nat-{kind}-none") as lab:
        states.serve(lab)
        server = ("--match", f"{SERVER}:3478#{states.pin}")
        alone = looked(netcheck(lab, *server, "--json"))
        if kind == "udpblocked":
            check(alone["families"][0]["nat"]["udp"] == "blocked", f"{alone['families']}")
            check(len(alone["problems"]) == 1 and alone["problems"][0].startswith("this network lets no UDP out"),
                  f"{alone['problems']}")
            # A wait too many is there each time, a machine that stood still for a moment is not.
            times = [alone["took_ms"]]
            while times[-1] >= BLOCKED_WITHIN_MS and len(times) < 3:
                times.append(looked(netcheck(lab, *server, "--json"))["took_ms"])
            check(times[-1] < BLOCKED_WITHIN_MS, f"took {times} ms")
            check(alone["outlook"]["direct"] == [], f"{alone['outlook']}")
            return f"blocked, named after {alone['took_ms']} ms"
        check_words(kind, alone, netcheck(lab, *server).stdout)
        wrong = looked(netcheck(lab, "--match", f"{SERVER}:3478#{other_pin(states)}", "--json"))["matchmakers"][0]
        check(wrong["state"] == "failing" and wrong["seen_pin"] == states.pin and states.pin in wrong["problem"], f"{wrong}")
        process = states.start(lab, "a", states.directory / "a")
        state = ("--state", states.directory / "a")
        wait_until(lambda: registered(state), "the gateway is registered", 60.0, alive=[process])
        asked = looked(command("netcheck", *state, "--json", ok=False))
        check_words(kind, asked, command("netcheck", *state).stdout)
        check(asked["matchmakers"][0]["state"] == "registered", f"{asked['matchmakers']}")
        check(asked["binding"]["state"] in ("measuring", "untold"), f"{asked['binding']}")
        return f"{EXPECTED[kind][0]}, {alone['took_ms']} ms"


def other_pin(states):
    """A pin that is not the matchmaker's: that of another one."""
    with tempfile.TemporaryDirectory() as directory:
        return subprocess.run([matchmaker_binary(), "pin", "--state", f"{directory}/m"], capture_output=True, text=True,
                              check=True).stdout.strip()


def registered(state):
    match = json.loads(command("status", *state, "--json").stdout).get("match")
    return match and match["networks"] and match["matchmakers"][0]["state"] == "registered"


def test_remedy(states, kinds, identity):
    """Two gateways without a direct way: each says why, and what would change it."""
    with Lab(identity, f"nat-{kinds[0]}-{kinds[1]}") as lab:
        states.serve(lab)
        processes = [states.start(lab, host, states.directory / host) for host in "ab"]
        for host, peer, (reason, remedy) in zip("ab", ("edge-b", "edge-a"), IMPOSSIBLE[kinds]):
            def says():
                told = json.loads(command("explain", peer, "--state", states.directory / host, "--json").stdout)
                return told if reason in told["conclusion"] and remedy in told.get("remedy", "") else None
            told = wait_until(says, f"{host} says \"{reason}\" and \"{remedy}\"", 60.0, alive=processes)[0]
            check(told["state"] != "connected", "it is connected")
            text = command("explain", peer, "--state", states.directory / host).stdout
            check(text.startswith(f"{peer}: ") and "\nto change that: " in text, text)
        return IMPOSSIBLE[kinds][0][1]


def test_found(states, identity):
    """Two gateways that a matchmaker introduced: both say so, and over which pair they are connected."""
    with Lab(identity, "nat-portrestricted-cone") as lab:
        states.serve(lab)
        processes = [states.start(lab, host, states.directory / host) for host in "ab"]
        for host, peer, inside in (("a", "edge-b", "192.168.1.10:"), ("b", "edge-a", "192.168.2.10:")):
            def connected():
                told = json.loads(command("explain", peer, "--state", states.directory / host, "--json").stdout)
                return told if told["state"] == "connected" else None
            told = wait_until(connected, f"{host} is connected", 60.0, alive=processes)[0]
            way, introduction = told["connection"], told["introduction"]
            check(way["found"] == "introduction" and way["path_kind"] == "direct", f"{way}")
            check(introduction["outcome"] == "found" and introduction["matchmaker"] == f"{SERVER}:3478", f"{introduction}")
            used = [pair for pair in introduction["pairs"] if pair["used"]]
            check(used and used[0]["remote"] == way["remote"] and used[0]["local"].startswith(inside), f"{used}, {way}")
            check("remedy" not in told, told.get("remedy", ""))
        return f"found after {introduction['took_ms']} ms"


@contextlib.contextmanager
def states_of(identity):
    """The states of the group, made behind one full cone NAT so that they need no network of their own."""
    states = States()
    try:
        with Lab(identity, "nat-none-none") as lab:
            states.make(lab)
        yield states
    finally:
        states.remove()


def tests():
    """All tests: names and functions of (states, identity)."""
    found = [(f"netcheck-{kind}", lambda states, identity, kind=kind: test_networks(states, kind, identity))
             for kind in (*EXPECTED, "udpblocked")]
    found += [(f"explain-{'-'.join(kinds)}", lambda states, identity, kinds=kinds: test_remedy(states, kinds, identity))
              for kinds in IMPOSSIBLE]
    return [*found, ("explain-found", test_found)]
