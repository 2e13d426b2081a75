"""Medians, ratios, tables and JSON of what a run measured."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Iterable

from .links import LINKS
from .peers import PEERS
from .runner import Runner, Sample
from .scenarios import SCENARIOS, Figure, Scenario

# Whose figures the others' are compared with.
OURS = "dx"


class Medians:
    """Medians of the samples, by link, scenario, peer and figure."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
        for sample in samples:
            kept = self._values.setdefault((sample.link, sample.scenario, sample.peer), {})
            for key, value in sample.values.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    kept.setdefault(key, []).append(float(value))

    def all(self, link: str, scenario: str, peer: str, key: str) -> list[float]:
        return self._values.get((link, scenario, peer), {}).get(key, [])

    def median(self, link: str, scenario: str, peer: str, key: str) -> float | None:
        values = self.all(link, scenario, peer, key)
        return statistics.median(values) if values else None

    def ratio(self, link: str, scenario: str, peer: str, key: str, ours: str = OURS) -> float | None:
        """Ours : theirs, of the medians."""
        mine, theirs = self.median(link, scenario, ours, key), self.median(link, scenario, peer, key)
        return mine / theirs if mine is not None and theirs else None

    def peers(self, link: str, scenario: str) -> list[str]:
        """Measured ones, in the order of the suite."""
        return [name for name in PEERS if (link, scenario, name) in self._values]

    def cells(self) -> list[tuple[str, str]]:
        """(link, scenario) that have samples, in the order of the suite."""
        have = {(link, scenario) for link, scenario, _ in self._values}
        return [(link, scenario) for link in LINKS for scenario in SCENARIOS if (link, scenario) in have]


def number(value: float | None, figure: Figure) -> str:
    return "" if value is None else f"{value:,.{figure.digits}f}"


def spread(values: list[float], figure: Figure) -> str:
    """The lowest and the highest: what one run might have said."""
    return f"{number(min(values), figure)} - {number(max(values), figure)}" if len(values) > 1 else ""


def table(medians: Medians, link: str, scenario: Scenario) -> list[str]:
    """Markdown: a row for each peer, ours first; beside each figure, ours divided by theirs."""
    peers = medians.peers(link, scenario.name)
    figures = [figure for figure in scenario.figures
               if any(medians.all(link, scenario.name, peer, figure.key) for peer in peers)]
    if not figures:
        return []
    ours = OURS in peers
    head = ["peer"]
    for figure in figures:
        head.append(figure.title + (f", {figure.unit}" if figure.unit else ""))
        if figure is figures[0]:
            head.append("lowest - highest")
        if ours and figure.compare:
            head.append("dx : peer")
    lines = [f"\n**{scenario.title}** — {LINKS[link].title}\n", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for peer in peers:
        cells = [PEERS[peer].title if peer != OURS else f"**{PEERS[peer].title}**"]
        for figure in figures:
            cells.append(number(medians.median(link, scenario.name, peer, figure.key), figure))
            if figure is figures[0]:
                cells.append(spread(medians.all(link, scenario.name, peer, figure.key), figure))
            if ours and figure.compare:
                ratio = None if peer == OURS else medians.ratio(link, scenario.name, peer, figure.key)
                cells.append("" if ratio is None else f"{ratio:.2f}x")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def tables(runner: Runner) -> str:
    medians = Medians(runner.samples)
    lines: list[str] = []
    for link, scenario in medians.cells():
        lines += table(medians, link, SCENARIOS[scenario])
    lines.append(f"\nMedians of {runner.effort.runs}; ratios are of the medians. " + facts(runner))
    return "\n".join(lines + skipped(runner))


def facts(runner: Runner) -> str:
    settings = runner.settings
    sysctl = settings.get("sysctl", {})
    program = settings.get("program", {})
    assert isinstance(sysctl, dict) and isinstance(program, dict)
    return (f"{settings.get('cpu')}, {settings.get('cores')} cores, Linux {settings.get('kernel')}, suite at commit"
            f" {settings.get('commit')}, dxgateway {program.get('sha256', 'missing')[:12]} of {program.get('modified', '')}; net.core.rmem_max {sysctl.get('net.core.rmem_max')}, TCP in the namespaces"
            f" {settings.get('tcp_congestion_control_in_namespaces')}; load before {settings.get('load_before')}.")


def skipped(runner: Runner) -> list[str]:
    """One line for each reason, and whom it concerns."""
    reasons: dict[str, list[str]] = {}
    for each in runner.skipped:
        what = " ".join(word for word in (each.peer, each.scenario) if word)
        where = reasons.setdefault(each.why, [])
        if f"{what} ({each.link})" not in where:
            where.append(f"{what} ({each.link})")
    if not reasons:
        return []
    return ["\nNot measured:", *(f"- {', '.join(who)}: {why}" for why, who in reasons.items())]


def write_json(runner: Runner, path: pathlib.Path, command: str) -> None:
    """All samples and the medians, so that anything can be worked out again."""
    medians = Medians(runner.samples)
    summary = [
        {"link": link, "scenario": scenario, "peer": peer,
         "medians": {figure.key: medians.median(link, scenario, peer, figure.key) for figure in SCENARIOS[scenario].figures},
         "dx_to_peer": {figure.key: medians.ratio(link, scenario, peer, figure.key) for figure in SCENARIOS[scenario].figures}}
        for link, scenario in medians.cells() for peer in medians.peers(link, scenario)]
    report = {
        "schema": 1, "command": command, "settings": runner.settings, "emulators": runner.emulators, "effort": dataclasses.asdict(runner.effort),
        "links": {name: dataclasses.asdict(LINKS[name]) for name in dict.fromkeys(sample.link for sample in runner.samples)},
        "figures": {scenario: {figure.key: dataclasses.asdict(figure) for figure in SCENARIOS[scenario].figures}
                    for _, scenario in medians.cells()},
        "titles": {"peers": {name: variant.title for name, variant in PEERS.items()},
                   "scenarios": {name: scenario.title for name, scenario in SCENARIOS.items()}},
        "summary": summary, "samples": [dataclasses.asdict(sample) for sample in runner.samples],
        "skipped": [dataclasses.asdict(each) for each in runner.skipped]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
