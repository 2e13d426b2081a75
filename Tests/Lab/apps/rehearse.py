"""A path or a peer is cut by the gateway itself while bytes flow: what it says of that, and that it ends by itself."""

import json
import subprocess
import threading
import time

from harness.data import Server
from harness.gateway import Pair, Tunnel, binary, command
from harness.lab import check, wait_until
from harness.runner import test

from .availability import DESTINATIONS, Trio
from .paths import BOTH, wait_paths
from .roaming import Traffic


def rehearse(gateway, *arguments, seconds=120.0):
    """(exit status, the report or plan as JSON, what was said on standard error)."""
    said = command("rehearse", *arguments, "--json", "--control", gateway.control, seconds=seconds, ok=False)
    return said.returncode, json.loads(said.stdout) if said.stdout.strip() else None, said.stderr


def last_report(gateway):
    return rehearse(gateway, "show")[1].get("rehearsal")


def wait_phase(gateway, phase):
    def reached():
        report = last_report(gateway)
        return report if report and report["phase"] == phase else None
    return wait_until(reached, f"the rehearsal is at {phase}", 60.0)[0]


@test(topology="multipath", cells=("clean",), seconds=600.0)
def rehearse_a_path(run):
    """The path in use is cut, then all over one network: nothing breaks, and the report names the other; with both gone it says so before and after."""
    with Traffic(run, address=BOTH, rate=1_000_000) as traffic:
        edge = traffic.pair.a
        wait_paths(edge)
        wait_paths(traffic.pair.b)
        silences, firsts = [], []
        for ends in ([], ["203.0.113.2"], ["lte0"]):
            plan = rehearse(edge, "path", "cloud-1", *ends, "--dry-run")[1]["plan"]
            check(plan["paths"] and plan["other_paths"], f"what is cut and stands by: {plan}")
            since = time.monotonic()
            code, said, words = rehearse(edge, "path", "cloud-1", *ends, "--seconds", 3)
            report = said["rehearsal"] if said else {}
            check(code == 0 and report["holds"], f"exit status {code}: {report.get('verdict')} {words}")
            check(report["path_during"] not in report["plan"]["paths"], f"the path that is cut was used: {report}")
            names = {each["name"]: each for each in report["tunnels"]}
            check(set(names) == {"down", "up", "words"}, f"tunnels: {list(names)}")
            check(all(each["open_connections"] == 1 and not each["broken"] for each in names.values()), f"{names}")
            # Over one that stands by nothing may have been on the way.
            check(ends or report["dropped_out"] > 0, "nothing was lost, so nothing was cut")
            check(report["ending"] == "time" and report["cut_ms"] >= 3000, f"it ended otherwise: {report}")
            traffic.flow_on(time.monotonic())
            longest = max(each["longest_silence_ms"] for each in names.values())
            felt = max(traffic.silences(since, since).values()) * 1000
            silences.append((longest, round(felt)))
            firsts.append(report.get("first_byte_ms"))
            for gateway in (edge, traffic.pair.b):
                wait_paths(gateway)
        # All ways at once: that is refused, and does what it said when it is wanted all the same.
        code, said, words = rehearse(edge, "peer", "cloud-1", "--seconds", 2)
        check(code == 1 and "would stand still" in words and "--force" in words, f"not refused: {code} {words}")
        code, said, words = rehearse(edge, "peer", "cloud-1", "--seconds", 2, "--force")
        report = said["rehearsal"] if said else {}
        check(code == 1 and not report["holds"], f"exit status {code}: {report.get('verdict')} {words}")
        check(all(each["still_until_restored"] == 1 for each in report["tunnels"]), f"{report['tunnels']}")
        check("heard_ms" not in report, f"the peer was heard: {report}")
        traffic.flow_on(time.monotonic())
    run.note(silences=silences, first_bytes=firsts)
    return ("cut 3 times, nothing broke; longest silence as reported and as felt "
            + ", ".join(f"{told}/{felt} ms" for told, felt in silences) + "; both cut: exit status 1")


@test(topology="multipath", cells=("clean",), seconds=600.0)
def rehearse_without_traffic(run):
    """The path in use is cut while nothing goes through the tunnel: what stands by is heard all the same."""
    with Pair(run.lab, run.directory / "dx", [Tunnel("web", run.port(), run.port())], address=BOTH) as pair:
        for gateway in (pair.a, pair.b):
            wait_paths(gateway)
        code, said, words = rehearse(pair.a, "path", "cloud-1", "--seconds", 10)
    report = said["rehearsal"] if said else {}
    check(code == 0 and report["holds"], f"exit status {code}: {report.get('verdict')} {words}")
    # What asked may have left just before: then its answer is lost.
    check(report["dropped_out"] + report["dropped_in"] > 0, f"nothing was lost, so nobody could miss an answer: {report}")
    heard = report.get("heard_ms")
    check(heard is not None and report["tunnels"][0]["served_after_ms"] == heard, f"the peer was not heard: {report}")
    run.note(heard_ms=heard)
    return f"the peer was heard after {heard} ms over what stood by"


@test(topology="multipath", cells=("clean",), seconds=600.0)
def rehearsal_without_anybody(run):
    """Who began it is killed in the middle: it is restored at its time. One at a time, and stopped at once when that is wanted."""
    with Traffic(run, address=BOTH, rate=1_000_000) as traffic:
        edge = traffic.pair.a
        arguments = [binary(), "rehearse", "peer", "cloud-1", "--seconds", "5", "--force", "--control", edge.control]
        client = subprocess.Popen([str(each) for each in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_phase(edge, "cut")
        client.kill()
        client.wait()
        code, _, words = rehearse(edge, "path", "cloud-1", "--force")
        check(code == 1 and "another rehearsal goes on, of cloud-1" in words, f"a second one: {code} {words}")
        traffic.flow_on(time.monotonic())
        report = wait_phase(edge, "over")
        check(report["ending"] == "time" and report["cut_ms"] >= 5000, f"it ended otherwise: {report}")
        wait_paths(edge)
        # Stopped by hand.
        client = subprocess.Popen(
            [str(each) for each in arguments[:5] + ["50", *arguments[6:]]], stdout=subprocess.PIPE, text=True)
        wait_phase(edge, "cut")
        code, said, _ = rehearse(edge, "stop")
        check(code == 0 and said["stopped"], f"stop: {code} {said}")
        output, _ = client.communicate(timeout=120)
        check("ended early (stopped)" in output and "cuts " in output, f"what it said: {output!r}")
        traffic.flow_on(time.monotonic())
        code, said, _ = rehearse(edge, "stop")
        check(code == 0 and not said["stopped"], f"stop again: {code} {said}")
    return "restored after 5 s without its client, and at once when stopped; no connection broke"


@test(cells=("clean",), seconds=600.0)
def rehearse_a_destination(run):
    """The first of two destinations is cut: new connections go to the second, and the report says so."""
    port, ports = run.port(), [run.port(), run.port()]

    def name(which):
        def say(connection):
            try:
                if connection.recv(16):
                    connection.sendall(DESTINATIONS[which].encode())
            except OSError:
                # One that was asked for at both is reset at the one that did not get it.
                pass
        return say

    def ask():
        with run.lab.connect("a", port, seconds=60.0) as client:
            client.sendall(b"who?")
            said = bytearray()
            while part := client.recv(64):
                said += part
            return said.decode()

    with (Server(run.lab, "b", ports[0], name(0)), Server(run.lab, "b", ports[1], name(1)),
          Trio(run, {"web": (port, ports)}) as trio):
        check(ask() == "cloud-1", "the first destination is not the one that is used")
        outcome = {}
        thread = threading.Thread(
            target=lambda: outcome.update(result=rehearse(trio.edge, "peer", "cloud-1", "--seconds", 20)), daemon=True)
        thread.start()
        wait_phase(trio.edge, "cut")
        answers = [ask() for _ in range(3)]
        thread.join(180.0)
        check(answers == ["cloud-2"] * 3, f"answers came from {answers}")
        code, said, words = outcome["result"]
        report = said["rehearsal"] if said else {}
        check(code == 0 and report["holds"], f"exit status {code}: {report.get('verdict')} {words}")
        web = report["tunnels"][0]
        check(web["answered_by"] == {"cloud-2": 3} and web["asked_connections"] == 3, f"new ones: {web}")
        slowest = web["longest_answer_ms"]
    return f"3 new connections went to the other, the slowest after {slowest} ms: {report['verdict']}"
