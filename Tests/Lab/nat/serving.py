"""A group without any dxmatchd: one member, which the internet reaches, is its matchmaker (`serve_match`)."""

import json
import pathlib
import socket
import sys
import time

from harness.gateway import binary, command
from harness.lab import check, wait_until
from strangers.capture import send_paced
from strangers.scans import greetings, noise

from .matrix import check_direct, check_nats, size
from .members import GROUP, NAMES, OTHER, PORTS, TARGET, TUNNELS, Pair, ask, carry
from .networks import MATCHMAKERS
from .plan import cell
from .traffic import Traffic

HUB, HOST = "otter-hub", "m1"
ADDRESS = MATCHMAKERS[HOST][0]
STRANGER = MATCHMAKERS["m2"][1]
CHANNEL_PORT, MATCH_PORT, SERVICE_PORT = 7700, 3478, 3500
# The name of a service, and an address that nobody has.
NAME, NOWHERE = "match.example", "192.0.2.99"


class Served(Pair):
    """The members `a` and `b`, and a third one on a public host, which made the group and serves it. All is made in the lab itself."""

    def __init__(self, run, name="self", port=MATCH_PORT):
        self.run, self.lab, self.port = run, run.lab, port
        self.directory = run.directory / "served"
        self.directory.mkdir(mode=0o711)
        self.gateways, self.matchmakers, self._starts = {}, {}, 0
        command("init", "--group", GROUP, "--name", HUB, "--state", self.state("hub"))
        self.start_hub(f":{CHANNEL_PORT}")
        # The one command that it takes.
        said = command("config", "match", "add", name, "--json", "--state", self.state("hub")).stdout
        self.server = json.loads(said)["match"]["servers"][0]
        expected = f"{ADDRESS}:{port}" if name == "self" else name.split("#")[0]
        check(self.server.startswith(f"{expected}#"), f"the hub is listed as {self.server}")
        for who in "ab":
            said = command("invite", "--name", NAMES[who], "--state", self.state("hub"), "--json").stdout
            self.lab.run(who, [binary(), "join", json.loads(said)["invitations"][0]["token"], "--state", self.state(who)],
                         seconds=120.0)
        for here, there in OTHER.items():
            command("tunnel", "add", TUNNELS[here], "--origin", f"{NAMES[here]}@127.0.0.1:{PORTS[here]}",
                    "--destination", f"{NAMES[there]}@{TARGET[0]}:{TARGET[1]}", "--state", self.state("hub"))
        for who in "ab":
            self.start(who)
        wait_until(self._agree, "both members know both tunnels", 120.0, alive=self.gateways.values())

    def start_hub(self, listen):
        settings = self.directory / "hub.yaml"
        settings.write_text(f'listen: "{listen}"\nserve_match: {{listen: ":{self.port}"}}\n')
        (self.state("hub") / "control.sock").unlink(missing_ok=True)
        self._starts += 1
        process = self.lab.start(
            HOST, [binary(), "run", "--state", self.state("hub"), "--config", settings, "--log-level", "debug"], "the hub",
            self.directory / f"hub-{self._starts}.log")
        self.gateways["hub"] = process
        wait_until(self.hub, "the hub answers", 60.0, alive=[process])

    def hub(self):
        return ask(self.state("hub") / "control.sock", "/v1/status")

    def _agree(self):
        tunnels = [ask(self.state(who) / "control.sock", "/v1/tunnels") for who in "ab"]
        return all(said and len(said["tunnels"]) == 2 for said in tunnels)

    def close_hub(self):
        """From now on the hub is a matchmaker and nothing else: nobody reaches its channel port, so that it introduces nobody as a
        member. Everything anew, and all NATs have forgotten everything."""
        for who in ("a", "b", "hub"):
            self.stop(who)
        for nat in self.lab.nats():
            self.lab.nat_command(nat, "reboot")
        self.start_hub(f"127.0.0.1:{CHANNEL_PORT}")

    def served(self):
        return self.hub()["serve_match"]


def by_a_member_alone(run, group):
    """Two members behind NATs that let in only what was asked get a direct session; a third member introduces them as matchmaker and
    is nothing else to them."""
    traffic = Traffic(run.lab)
    served = Served(run)
    served.close_hub()
    served.start("b")
    started = served.start("a")
    with served.targets("b"), served.connect("a") as connection:
        first_byte = time.time() - started
        before = traffic.flows()
        carry(connection, size(run))
    # Its host is that of a matchmaker: no more passed there than introductions take.
    check_direct(traffic, before, size(run))
    check_nats(run, served, "portrestricted", "portrestricted", size(run))
    for who in "ab":
        served.wait_log(who, "the network was looked at")
        status = served.status(who)
        check([each["state"] for each in status["match"]["matchmakers"]] == ["registered"], f"{who} is not registered")
        nat = status["match"]["networks"][0]["nat"]
        # From two ports of one address: others are not known.
        check(nat["udp"] == "works" and nat["filtering"] == "address_and_port_dependent",
              f"what the hub shows {who} of its NAT is {nat}")
        hub = next(peer for peer in status["peers"] if peer["name"] == HUB) if HUB in str(status["peers"]) else None
        check(hub is None or hub["state"] != "connected", f"{who} reaches the hub, which was to be closed")
    held = served.served()
    check(held["listed"] and held["registrations"] >= 3, f"the hub holds {held}")
    check(held["introductions"] >= 1, "the hub introduced nobody")
    served.check_alive()
    run.note(first_byte_s=round(first_byte, 3), served=held)
    return f"first byte after {first_byte:.2f} s; {held['introductions']} introductions, {held['registrations']} registrations at the hub"


def found_by_its_service(run, group):
    """The group knows its matchmaker by a name without a port; a name server says by SRV records where it is. The address of the name
    itself leads nowhere."""
    zone = {NAME: {"A": NOWHERE}, f"_dxmatch._udp.{NAME}": {"SRV": [[0, 0, SERVICE_PORT, f"hub.{NAME}"], [9, 0, 9, f"gone.{NAME}"]]},
            f"hub.{NAME}": {"A": ADDRESS}}
    for who in ("a", "b", HOST):
        run.lab.etc(who).mkdir(parents=True, exist_ok=True)
        (run.lab.etc(who) / "resolv.conf").write_text(f"nameserver {STRANGER}\n")
    run.lab.start("m2", [sys.executable, pathlib.Path(__file__).with_name("nameserver.py"), STRANGER, json.dumps(zone)],
                  "the name server", run.directory / "nameserver.log")
    wait_until(lambda: run.lab.udp_bound("m2", 53), "the name server serves", 30.0)
    served = Served(run, f"{NAME}#self", SERVICE_PORT)
    served.close_hub()
    served.start("b")
    served.start("a")
    with served.targets("b"), served.connect("a") as connection:
        carry(connection, 100_000)
    for who in "ab":
        found = served.status(who)["match"]["matchmakers"]
        check(len(found) == 1 and found[0]["server"] == NAME and found[0]["state"] == "registered"
              and found[0]["addresses"] == [f"{ADDRESS}:{SERVICE_PORT}"], f"{who} says of its matchmaker: {found}")
    said = command("status", "--state", served.state("a")).stdout
    check(f"{NAME} registered" in said and f"at {ADDRESS}:{SERVICE_PORT}" in said, f"status does not say where it is:\n{said}")
    served.check_alive()
    return f"{NAME} is {ADDRESS}:{SERVICE_PORT} by _dxmatch._udp"


def silent_to_strangers(run, group):
    """First words of known protocols and noise from a stranger to both ports of a member that serves: not one byte back."""
    traffic = Traffic(run.lab)
    served = Served(run)
    payloads = [part for message in greetings().values() for part in [message] * 3 + [message[:8], message[:20]]]
    payloads += noise(20_000 if run.full else 4_000, 3)
    before = served.served()["strangers"]
    dropped = 0
    with run.lab.socket("m2", kind=socket.SOCK_DGRAM) as sender:
        sender.bind((STRANGER, 0))
        for port in (MATCH_PORT, MATCH_PORT + 1):
            dropped += send_paced(run.lab, sender, payloads, HOST, port, ADDRESS)
        # A closed port of the same host: the kernel's answer shows that one would be counted.
        sender.sendto(b"is this port closed?", (ADDRESS, 9))
        wait_until(lambda: traffic.packets_between({ADDRESS}, {STRANGER}) > 0, "the kernel answers for a closed port", 30.0)
    heard = served.served()["strangers"] - before
    check(heard + dropped >= 2 * len(payloads), f"of {2 * len(payloads)} datagrams the hub heard {heard}")
    answers = traffic.packets_between({ADDRESS}, {STRANGER}, "udp")
    answers += max(0, traffic.packets_between({ADDRESS}, {STRANGER}) - answers - 1)
    check(answers == 0, f"{answers} answers to a stranger")
    served.check_alive()
    return f"{2 * len(payloads)} datagrams, {dropped} lost in the kernel's queue, 0 bytes back"


cell("variants", "serve-match", "nat-portrestricted-portrestricted", by_a_member_alone, by_a_member_alone.__doc__, 300.0)
cell("variants", "match-service", "nat-portrestricted-portrestricted", found_by_its_service, found_by_its_service.__doc__, 300.0)
cell("blind", "serve-match-silent", "nat-portrestricted-portrestricted", silent_to_strangers, silent_to_strangers.__doc__, 300.0)
