"""Measures scenarios on links, every peer in turn, and keeps what was measured and what was skipped."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence

from harness.gateway import binary
from harness.lab import Failure, ensure_packages, unavailable
from harness.runner import claim, stop_on_signals

from . import ROOT, kernel, tools
from .links import Link
from .namespaces import Network, network
from .peers import Peer, Variant
from .scenarios import Effort, Scenario

PACKAGES = ("ip=iproute2", "setpriv=util-linux", *tools.PACKAGES)


@dataclasses.dataclass(frozen=True)
class Sample:
    """One measurement of one peer."""

    link: str
    scenario: str
    peer: str
    run: int
    values: dict[str, object]


@dataclasses.dataclass(frozen=True)
class Skipped:
    """What was not measured, or failed, and why. Empty names stand for all."""

    link: str
    scenario: str
    peer: str
    why: str


# What to measure on a link, and of whom.
Plan = Sequence[tuple[Scenario, Sequence[Variant]]]


class Runner:
    """Everything that one command measures."""

    def __init__(self, effort: Effort, identity: str = "bench") -> None:
        self.effort, self.identity = effort, os.environ.get("LAB_ID", identity)
        self.samples: list[Sample] = []
        self.skipped: list[Skipped] = []
        self.settings: dict[str, object] = {}
        self.emulators: dict[str, dict] = {}        # counters of emulated links: could the emulator keep up?

    # ---- the networks

    def link(self, link: Link, plan: Plan) -> None:
        """Build the link, measure what the plan says, remove it."""
        say(f"== {link.name}: {link.title}")
        directory = pathlib.Path(tempfile.mkdtemp(prefix="dxbench-"))
        directory.chmod(0o711)
        try:
            everyone = list(dict.fromkeys(variant.name for _, variants in plan for variant in variants))
            by_name = {variant.name: variant for _, variants in plan for variant in variants}
            usable = {name for name in everyone if not self._skip_unusable(link, by_name[name])}
            chosen = [(scenario, self._applicable(link, scenario, [each for each in variants if each.name in usable]))
                      for scenario, variants in plan]
            with network(self.identity, link, directory) as net:
                self.settings.setdefault("tcp_congestion_control_in_namespaces", net.congestion_control())
                self._together(net, [each for each in chosen if not each[0].exclusive])
                for scenario, variants in chosen:
                    if scenario.exclusive:
                        self._alone(net, scenario, variants)
                self.emulators[link.name] = net.emulator()
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _skip_unusable(self, link: Link, variant: Variant) -> bool:
        why = variant.unavailable(link)
        if why:
            self._skip(link, None, variant.name, why)
        return why is not None

    def _applicable(self, link: Link, scenario: Scenario, variants: Iterable[Variant]) -> list[Variant]:
        chosen = []
        for variant in variants:
            why = scenario.inapplicable(variant, link)
            if why is None:
                chosen.append(variant)
            elif why:
                self.skipped.append(Skipped(link.name, scenario.name, variant.name, why))
        return chosen

    # ---- measuring

    def _together(self, net: Network, plan: Plan) -> None:
        """All peers are up at once. Each run measures every scenario with every peer, and starts with another one."""
        peers: dict[str, Peer] = {}
        try:
            for variant in {variant.name: variant for _, variants in plan for variant in variants}.values():
                with self._reporting(net, None, variant.name):
                    peer = variant.make(net)
                    peers[variant.name] = peer
                    peer.start()
            brief = dataclasses.replace(self.effort, seconds=min(0.5, self.effort.seconds))
            for scenario, variants in plan:
                if scenario.warm_up:
                    for variant in variants:
                        self._one(net, scenario, peers[variant.name], None, brief)
            for run in range(self.effort.runs):
                for scenario, variants in plan:
                    first = run % max(1, len(variants))
                    for variant in [*variants[first:], *variants[:first]]:
                        self._one(net, scenario, peers[variant.name], run, self.effort)
        finally:
            for peer in peers.values():
                peer.stop()

    def _one(self, net: Network, scenario: Scenario, peer: Peer, run: int | None, effort: Effort) -> None:
        """One measurement, kept unless `run` is None; none of a peer that failed before."""
        if self._failed(net, None, peer.name) or self._failed(net, scenario, peer.name):
            return
        with self._reporting(net, scenario, peer.name):
            peer.check_alive()
            values = scenario.measure(net, peer, effort)
            if run is not None:
                self._keep(net, scenario, peer.name, run, values)

    def _alone(self, net: Network, scenario: Scenario, variants: Sequence[Variant]) -> None:
        """Each measurement has a peer of its own, started afresh, and no other runs."""
        for run in range(min(self.effort.runs, scenario.most_runs)):
            for variant in variants:
                if self._failed(net, scenario, variant.name):
                    continue
                with self._reporting(net, scenario, variant.name):
                    fresh = dataclasses.replace(variant, settings={**variant.settings, **scenario.settings(net)},
                                                kind=scenario.kind(variant))
                    peer = fresh.make(net, f"-{scenario.name}-{run}")
                    peer.name = variant.name
                    try:
                        peer.start()
                        values = scenario.measure(net, peer, self.effort)
                        peer.check_alive()
                        self._keep(net, scenario, variant.name, run, values)
                    finally:
                        peer.stop()

    # ---- keeping

    def _keep(self, net: Network, scenario: Scenario, peer: str, run: int, values: dict[str, object]) -> None:
        self.samples.append(Sample(net.link.name, scenario.name, peer, run, values))
        shown = []
        for figure in scenario.figures:
            value = values.get(figure.key)
            if isinstance(value, (int, float)):
                shown.append(f"{figure.title} {value:.{figure.digits}f} {figure.unit}".strip())
        say(f"  {scenario.name} {run + 1}/{min(self.effort.runs, scenario.most_runs)} {peer:12} {', '.join(shown)}")

    def _skip(self, link: Link, scenario: Scenario | None, peer: str, why: str) -> None:
        self.skipped.append(Skipped(link.name, scenario.name if scenario else "", peer, why))
        say(f"  skipped {scenario.name + ' ' if scenario else ''}{peer}: {why}")

    def _failed(self, net: Network, scenario: Scenario | None, peer: str) -> bool:
        return any(each.peer == peer and each.link == net.link.name and each.scenario in ("", scenario.name if scenario else "")
                   for each in self.skipped)

    @contextlib.contextmanager
    def _reporting(self, net: Network, scenario: Scenario | None, peer: str) -> Iterator[None]:
        """A peer that fails is left out of what follows, and said so; the others go on."""
        try:
            yield
        except (Failure, OSError, KeyError, ValueError) as error:
            text = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            logs = sorted(net.directory.glob(f"{peer}*/*.log"))
            words = [line for log in logs for line in log.read_text(errors="replace").strip().splitlines()[-1:]]
            self._skip(net.link, scenario, peer, f"failed: {' '.join(' '.join([text, *words]).split())[:400]}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def host_facts() -> dict[str, object]:
    """What else decides the figures."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "commit": commit.stdout.strip(), "load_before": os.getloadavg()[0],
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def program_facts() -> dict[str, str]:
    """Which dxgateway it is. The commit above is that of the suite; the program may be of another."""
    try:
        path = binary()
    except SystemExit as error:
        return {"missing": str(error)}
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": str(path), "sha256": digest,
            "modified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(path.stat().st_mtime))}


def reason_not_here() -> str | None:
    reason = unavailable()
    return f"the benchmarks need root and network namespaces: {reason}" if reason else None


@contextlib.contextmanager
def prepared(runner: Runner) -> Iterator[None]:
    """The machine is ours: one run at a time, settings as most hosts have them, signals end it in order."""
    ensure_packages(*PACKAGES)
    stop_on_signals()
    lock = claim(runner.identity)
    machine = claim("benchmark-kernel-settings")
    try:
        with kernel.as_most_hosts_have_them() as settings:
            runner.settings.update(host_facts(), sysctl=settings, program=program_facts())
            yield
            if program_facts() != runner.settings["program"]:
                runner.skipped.append(Skipped("every link", "", "dx", "the program was replaced while it was measured: its"
                                              " figures are of two programs, and worth nothing"))
    finally:
        machine.close()
        lock.close()
