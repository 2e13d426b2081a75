"""coturn's clients find with dxmatchd what they find with coturn's server, and what the NATs are."""

import re

from harness.gateway import matchmaker_binary
from harness.lab import Failure, check, wait_until
from harness.runner import test

FIRST, OTHER = "192.0.2.11", "192.0.2.12"
INDEPENDENT, ADDRESS, PORT = "Endpoint Independent", "Address Dependent", "Address and Port Dependent"

# What each kind of NAT of the lab does (README.md): mapping and filtering; None where no answer can come.
NATS = {
    "none": (INDEPENDENT, INDEPENDENT),
    "cone": (INDEPENDENT, INDEPENDENT),
    "restricted": (INDEPENDENT, ADDRESS),
    "portrestricted": (INDEPENDENT, PORT),
    "symmetric": (PORT, PORT),
    "double": (INDEPENDENT, PORT),
    "linux": (INDEPENDENT, PORT),
    "linuxrandom": (PORT, PORT),
    "udpblocked": None,
}


def start_matchmaker(run):
    """dxmatchd on m1, with both of its addresses."""
    process = run.lab.start(
        "m1", [matchmaker_binary(), "run", "--open", "--listen", f"{FIRST}:3478", "--alternate", f"{OTHER}:3479",
               "--state", run.directory / "state", "--drain-seconds", "0"],
        "dxmatchd", run.directory / "dxmatchd.log")
    wait_until(lambda: "serving" in process.output(), "dxmatchd serves", 30.0, alive=[process])
    return process


def start_coturn(run):
    """coturn's server at the same place."""
    process = run.lab.start(
        "m1", ["turnserver", "-n", "--no-auth", "--no-cli", "--no-tls", "--no-dtls", "-m", "1", "-L", FIRST, "-L", OTHER,
               "-l", "stdout", "--pidfile", run.directory / "turn.pid"],
        "turnserver", run.directory / "turnserver.log")
    # Its alternate port is the last that it opens.
    wait_until(lambda: run.lab.udp_bound("m1", 3479), "turnserver serves", 30.0, alive=[process])
    return process


def discover(run):
    """(mapping, filtering) as turnutils_natdiscovery names them; None when it hears nothing."""
    said = run.lab.run("a", ["turnutils_natdiscovery", "-m", "-f", FIRST], 120.0, ok=False).stdout
    found = re.findall(r"^NAT with (.*) (Mapping|Filtering)!$", said, re.MULTILINE)
    if not found and "receive timeout" in said:
        return None
    if [kind for _, kind in found] != ["Mapping", "Filtering"]:
        raise Failure(f"turnutils_natdiscovery found no mapping and filtering: {said[-400:]}")
    return found[0][0], found[1][0]


def with_server(run, start, question):
    """What `question` answers while the server runs that `start` starts."""
    process = start(run)
    try:
        return question(run)
    finally:
        process.stop()


def behaviour(run, kind):
    expected = NATS[kind]
    ours, theirs = with_server(run, start_matchmaker, discover), with_server(run, start_coturn, discover)
    check(ours == theirs, f"with dxmatchd it finds {ours}, with coturn {theirs}")
    check(ours == expected, f"it finds {ours}, the NAT is {expected}")
    if expected is None:
        return "nothing is heard of either"
    return f"{ours[0]} mapping, {ours[1]} filtering, as with coturn"


def register(kind):
    function = lambda run: behaviour(run, kind)     # noqa: E731
    function.__name__ = f"natdiscovery_{kind}"
    function.__doc__ = f"turnutils_natdiscovery behind a NAT of the kind {kind}."
    test(topology=f"nat-{kind}-none", cells=("clean",), seconds=300.0)(function)


for each in NATS:
    register(each)


def bind(run):
    """What turnutils_stunclient hears first, but for the port outside, which is random.

    Its second request asks for an answer to another port (RESPONSE-PORT). dxmatchd answers 420 to that, as it would make
    it a reflector; the client waits for ever then.
    """
    # A program that is started late hears its answer late.
    for seconds in (3, 10, 30):
        said = run.lab.run("a", ["timeout", str(seconds), "turnutils_stunclient", FIRST], 60.0, ok=False).stdout
        first = said.split("RFC 5780 response 2")[0]
        found = dict(re.findall(r"(Response origin|Other addr|UDP reflexive addr): *:? *(\S+)", first))
        if len(found) == 3:
            break
    check(len(found) == 3, f"turnutils_stunclient heard too little: {said[-400:]}")
    found["UDP reflexive addr"] = found["UDP reflexive addr"].rsplit(":", 1)[0]
    return found


@test(topology="nat-cone-none", cells=("clean",))
def stunclient(run):
    """turnutils_stunclient: the address outside, the server's two addresses."""
    ours, theirs = with_server(run, start_matchmaker, bind), with_server(run, start_coturn, bind)
    check(ours == theirs, f"with dxmatchd it hears {ours}, with coturn {theirs}")
    check(ours["Other addr"] == f"{OTHER}:3479", f"another other address: {ours}")
    return f"{ours}, as with coturn"
