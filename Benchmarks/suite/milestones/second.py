"""Milestone 2: one stream beside `ssh -L`, memory, and the program's size. It has no targets of speed."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import tempfile

from harness.gateway import binary
from harness.lab import check, ensure_packages

from ..links import LINKS
from ..peers import PEERS
from ..report import Medians
from ..runner import Runner
from ..scenarios import SCENARIOS
from .rows import Row

CONNECTIONS = 500


def second(runner: Runner) -> list[Row]:
    ensure_packages("strip=binutils")
    beside = [PEERS[name] for name in ("dx", "direct", "ssh")]
    runner.link(LINKS["clean"], [(SCENARIOS[name], beside) for name in ("stream", "stream-up")])
    effort = runner.effort
    # Memory has no noise worth five runs.
    runner.effort = dataclasses.replace(effort, runs=1, connections=CONNECTIONS)
    runner.link(LINKS["clean"], [(SCENARIOS[name], [PEERS["dx"]]) for name in ("idle-memory", "open")])
    runner.effort = effort
    medians = Medians(runner.samples)
    rows = []
    for scenario, way in (("stream", "down"), ("stream-up", "up")):
        for peer in ("dx", "ssh"):
            for key, what, unit, digits in (("gbit_per_second", "", "Gbit/s", 3), ("cpu_s_per_gb", ", CPU of both ends", "s/GB", 2)):
                rows.append(Row(f"{PEERS[peer].title}, {way}{what}", medians.median("clean", scenario, peer, key), unit, digits=digits))
        rows.append(Row(f"dx : ssh -L, {way}", medians.ratio("clean", scenario, "ssh", "gbit_per_second"), "x"))
        rows.append(Row(f"dx : ssh -L, {way}, CPU", medians.ratio("clean", scenario, "ssh", "cpu_s_per_gb"), "x"))
    for end in ("origin", "destination"):
        idle = medians.median("clean", "idle-memory", "dx", f"{end}_mb")
        each = medians.median("clean", "open", "dx", f"{end}_bytes_each")
        rows.append(Row(f"resident, idle, {end}", idle, "MB", digits=1))
        rows.append(Row(f"and for each of {CONNECTIONS} open connections, {end}", each and each / 1000, "kB", digits=1))
    return [*rows, *size()]


def size() -> list[Row]:
    program = binary()
    with tempfile.TemporaryDirectory() as directory:
        stripped = pathlib.Path(directory) / "stripped"
        result = subprocess.run(["strip", "-o", stripped, program], capture_output=True, text=True)
        check(result.returncode == 0, f"the program's size: {result.stderr.strip()}")
        loaded = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        kind = "static-stdlib" if "libswiftCore" not in loaded else "NOT static-stdlib (it loads libswiftCore)"
        return [Row(f"the program, stripped, {kind}", stripped.stat().st_size / 1e6, "MB", digits=1),
                Row("the same with symbols", program.stat().st_size / 1e6, "MB", digits=1)]
