"""Simulated gateways at a real dxmatchd over loopback: what it holds, and what that costs it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.request

from harness.lab import Failure, check

from . import BENCHMARKS
from .cpu import TICK, resident_bytes

PACKAGE = BENCHMARKS / "Match"
# What of dxmatchd's counters says why something was not done.
REFUSALS = re.compile(r"^dx_match_(refusals_total|dropped_datagrams_total|unsent_datagrams_total|refused_datagrams_total)"
                      r"(?:\{\w+=\"(\w+)\"\})? (\d+)$", re.MULTILINE)


@dataclasses.dataclass
class Size:
    """How many, how long, how often; see `matchload` without arguments."""

    members: int = 1_000_000
    group_size: int = 100
    refresh: float = 25.0
    seconds: float = 75.0
    introductions: float = 200.0
    strangers: float = 500.0
    candidates: int = 6


def build() -> pathlib.Path:
    """The load program, built as dxmatchd is."""
    command = ["swift", "build", "-c", "release", "--package-path", str(PACKAGE)]
    built = subprocess.run(command, capture_output=True, text=True)
    check(built.returncode == 0, f"building matchload: {(built.stdout + built.stderr)[-2000:]}")
    path = subprocess.run([*command, "--show-bin-path"], capture_output=True, text=True, check=True).stdout.strip()
    return pathlib.Path(path) / "matchload"


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def waited_seconds(pid: int) -> float:
    """How long its threads were ready to run and another one had the core: what the machine adds to every delay."""
    waited = 0
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            waited += int(path.read_text().split()[1])
    return waited * 1e-9


def kernel_drops(port: int) -> int:
    """Datagrams for which the sockets on this port had no room."""
    drops = 0
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rsplit(":", 1)[1], 16) == port:
                drops += int(fields[-1])
    return drops


def free_ports(kind, count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, kind)) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Matchmaker:
    """A dxmatchd that serves the groups of a file at 127.0.0.1."""

    def __init__(self, program: pathlib.Path, directory: pathlib.Path, groups: pathlib.Path):
        self.port, alternate = free_ports(socket.SOCK_DGRAM, 2)
        self.metrics_port, = free_ports(socket.SOCK_STREAM, 1)
        self.log = directory / "dxmatchd.log"
        self.process = subprocess.Popen(
            [program, "run", "--state", directory / "state", "--groups", groups,
             "--listen", f"127.0.0.1:{self.port}", "--alternate", f":{alternate}",
             "--metrics", f"127.0.0.1:{self.metrics_port}", "--drain-seconds", "0"],
            stdout=self.log.open("w"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        while not (found := re.search(r"pin=\"?(\w{52})", self.log.read_text())):
            check(self.process.poll() is None, f"dxmatchd ended: {self.log.read_text()[-500:]}")
            time.sleep(0.05)
        self.pin = found[1]

    def metrics(self) -> str:
        return urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=600).read().decode()

    def registry_bytes(self) -> int:
        """What it says that its registrations take."""
        return int(re.search(r"^dx_match_registry_bytes (\d+)$", self.metrics(), re.MULTILINE)[1])

    def refusals(self) -> dict[str, int]:
        """What it refused or dropped, by cause, and what the kernel dropped before it."""
        text = self.metrics()
        found = {cause or name.removesuffix("_total"): int(count)
                 for name, cause, count in REFUSALS.findall(text) if int(count)}
        drops = kernel_drops(self.port)
        return {**found, **({"kernel_had_no_room": drops} if drops else {})}

    def usage(self) -> dict[str, float]:
        pid = self.process.pid
        return {"matchd_resident_bytes": resident_bytes([pid]), "matchd_cpu_s": cpu_seconds(pid),
                "matchd_waited_s": waited_seconds(pid)}

    def stop(self):
        self.process.terminate()
        self.process.wait()


def measure(program: pathlib.Path, size: Size, say=lambda event: None) -> list[dict]:
    """Everything that happened, an event for each: `matchload`'s, with memory and CPU of both programs, and what was refused."""
    load = build()
    with tempfile.TemporaryDirectory(prefix="dx-match-load") as directory:
        directory = pathlib.Path(directory)
        groups = directory / "groups"
        stages = [count for count in (1_000, 10_000, 100_000, 300_000) if count < size.members]
        generator = subprocess.Popen(
            [load, "--members", str(size.members), "--group-size", str(size.group_size), "--refresh", str(size.refresh),
             "--seconds", str(size.seconds), "--introductions", str(size.introductions),
             "--strangers", str(size.strangers), "--candidates", str(size.candidates),
             "--stages", ",".join(map(str, stages)), "--groups", groups],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        matchmaker = None
        events = []
        try:
            for line in generator.stdout:
                event = json.loads(line)
                if event["event"] == "groups":
                    matchmaker = Matchmaker(program, directory, groups)
                    generator.stdin.write(f"127.0.0.1 {matchmaker.port} {matchmaker.pin}\n")
                    generator.stdin.flush()
                event |= matchmaker.usage()
                event |= {"load_resident_bytes": resident_bytes([generator.pid]), "load_cpu_s": cpu_seconds(generator.pid)}
                if event["event"] in ("registered", "held"):
                    event |= {"refusals": matchmaker.refusals(), "registry_bytes": matchmaker.registry_bytes()}
                events.append(event)
                say(event)
            check(generator.wait() == 0, f"matchload ended with {generator.returncode}")
        finally:
            generator.kill()
            generator.wait()
            if matchmaker:
                matchmaker.stop()
    if not events or events[-1]["event"] != "held":
        raise Failure("matchload did not come to its end")
    return events


def summary(events: list[dict]) -> dict:
    """The figures, from the events of one run."""
    by_name = {event["event"]: event for event in events}
    begin, tickets, registered, held = (by_name[name] for name in ("groups", "tickets", "registered", "held"))
    memory = {event["registered"]: (event["matchd_resident_bytes"] - tickets["matchd_resident_bytes"]) / event["registered"]
              for event in events if "registered" in event}
    return {
        "registered": registered["registered"],
        "groups": begin["groups"],
        "blob_bytes": registered["blob_bytes"],
        "handshakes_per_s": tickets["tickets"] / tickets["seconds"],
        "registrations_per_s": registered["registered"] / registered["seconds"],
        "refreshes_per_s": held["refreshes_answered"] / held["seconds"],
        "refreshes_lost": held["refreshes_lost"],
        "refreshes_lost_while_registering": registered["refreshes_lost"],
        "refresh_late_max_ms": held["refresh_late_max_ms"],
        "introductions": held["introductions"],
        "introductions_lost": held["introductions_lost"],
        "introductions_refused": held["introductions_refused"],
        **{f"introduction_{part}_ms": held[f"introduction_{part}_ms"] for part in ("p50", "p99", "max")},
        "strangers_asked": held["strangers_asked"],
        "strangers_answered": held["strangers_answered"],
        "wrong": held["wrong"], "not_authentic": held["not_authentic"], "unmatched": held["unmatched"],
        "matchd_resident_bytes": held["matchd_resident_bytes"],
        "matchd_resident_bytes_before": tickets["matchd_resident_bytes"],
        "matchd_bytes_per_registration": {str(count): round(value) for count, value in memory.items()},
        "registry_bytes": held["registry_bytes"],
        "matchd_cpu_share": (held["matchd_cpu_s"] - registered["matchd_cpu_s"]) / held["seconds"],
        "matchd_cpu_s": {"tickets": tickets["matchd_cpu_s"] - begin["matchd_cpu_s"],
                         "registering": registered["matchd_cpu_s"] - tickets["matchd_cpu_s"],
                         "holding": held["matchd_cpu_s"] - registered["matchd_cpu_s"]},
        "matchd_waited_s_while_holding": held["matchd_waited_s"] - registered["matchd_waited_s"],
        "load_cpu_s": held["load_cpu_s"],
        "load_resident_bytes": held["load_resident_bytes"],
        "seconds": {name: by_name[name]["seconds"] for name in ("tickets", "registered", "held")},
        "refused_while_registering": registered["refusals"],
        "refused": {cause: count - registered["refusals"].get(cause, 0) for cause, count in held["refusals"].items()
                    if count > registered["refusals"].get(cause, 0)},
    }


def default_program() -> pathlib.Path:
    """The dxmatchd beside DX_BIN, else that of the release build."""
    return pathlib.Path(os.environ.get("DX_BIN", BENCHMARKS.parent / ".build/release/dxgateway")).with_name("dxmatchd")
