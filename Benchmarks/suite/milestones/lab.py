"""Figures of the lab's runners: each is started as a program and leaves its figures in a file."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

from harness.lab import Failure

from .. import RESULTS, ROOT


class Figures:
    """What a runner of the lab found, by cell; of a cell that failed there is none, and its reason is told."""

    def __init__(self, path: pathlib.Path) -> None:
        summary = json.loads(path.read_text())
        self.passed = {each["name"].split("/", 1)[1]: each for each in summary["passed"]}
        self.failed = {each["name"].split("/", 1)[1]: each["why"] for each in summary["failed"]}

    def get(self, cell: str, key: str):
        return self.passed.get(cell, {}).get(key)

    def values(self, cells: tuple[str, ...], key: str) -> list:
        """Of all these cells; none when one has failed: the others' would look like the whole."""
        if any(cell in self.failed for cell in cells):
            return []
        return [value for cell in cells if (value := self.get(cell, key)) is not None]

    def problem(self, *cells: str) -> str:
        return "; ".join(f"{cell}: {self.failed[cell][:200]}" for cell in cells if cell in self.failed)


def problems(runs: list[Figures], *cells: str) -> str:
    """Of all these runs; each in words that say which, where there are several."""
    found = [(number, problem) for number, each in enumerate(runs, 1) if (problem := each.problem(*cells))]
    return "; ".join(f"run {number}: {problem}" if len(runs) > 1 else problem for number, problem in found)


def run_lab(program: str, file: str, results: str, words: list[str]) -> Figures:
    """The figures that a runner leaves in `file`. What it prints goes to standard error, as it comes."""
    directory = RESULTS / results
    directory.mkdir(parents=True, exist_ok=True)
    (directory / file).unlink(missing_ok=True)
    command = [ROOT / program, *words, "--results", directory]
    subprocess.run([str(word) for word in command], stdout=sys.stderr)
    if not (directory / file).exists():
        raise Failure(f"{program} has left no figures")
    return Figures(directory / file)
