"""Milestone 6: nothing breaks. Paths that are cut, links that add up, networks that change, destinations that die.

Not by the suite's runner: the networks and the faults are those of `Tests/Lab/run-apps`.
"""

from __future__ import annotations

import math
import statistics

from .lab import Figures, problems, run_lab
from .rows import Row

RUN_APPS = "Tests/Lab/run-apps clean"
MODES = ("standby", "redundant", "aggregate")


def sixth(runs: int | None, is_quick: bool, is_full: bool) -> list[Row]:
    """All rows. `is_full` cuts in a transfer of 1 GB with a hundred talking."""
    def figures(names: list[str], count: int, *options: str) -> Figures:
        return run_lab("Tests/Lab/run-apps", "apps-clean.json", f"accept-6-{names[0]}",
                       ["clean", *names, "--runs", str(runs or count), *options])
    cuts = figures([f"cut_paths_{mode}" for mode in MODES], 10 if is_quick else 100, *(["--full"] if is_full else []))
    # Repeated by itself; the others repeat inside.
    links = [figures(["two_links_add_up", "a_slow_link_does_no_harm"], 1) for _ in range(1 if is_quick else 3)]
    networks = figures(["another_address", "no_address_for_a_while", "asleep"], 1)
    served = figures(["destination_killed", "target_stopped", "drained_under_load"], 3 if is_quick else 50)
    limited = figures(["rate_limited", "a_metered_path"], 1)
    return [*of_cuts(cuts), *of_links(links), *of_networks(networks), *of_service(served), *of_limits(limited)]


def of_cuts(found: Figures) -> list[Row]:
    rows = []
    for mode in MODES:
        cell = f"cut_paths_{mode}"
        rounds = found.get(cell, "silences") or []
        worst = sorted(max(each.values()) for each in rounds)
        words = sorted(each["words"] for each in rounds)
        p99 = worst[math.ceil(len(worst) * 0.99) - 1] * 1000 if worst else None
        note = found.problem(cell) or (
            f"of {len(worst)}, p50 {statistics.median(worst) * 1000:.0f} ms, of keystrokes "
            f"{statistics.median(words) * 1000:.0f} ms; {found.get(cell, 'bytes') / 1e6:.0f} MB; no connection broken")
        rows.append(Row(f"the path in use is cut, {mode}: silence p99", p99, "ms", most=300.0, digits=0, note=note,
                        command=f"{RUN_APPS} {cell} --runs 100"))
    return rows


def of_links(found: list[Figures]) -> list[Row]:
    rows = []
    for cell, title, least in (("two_links_add_up", "50 and 50 Mbit/s together, of one", 1.7),
                               ("a_slow_link_does_no_harm", "50 and 5 Mbit/s with 200 ms together, of the first", 0.97)):
        ratios = [ratio for each in found if (ratio := each.get(cell, "ratio")) is not None]
        rows.append(Row(title, statistics.median(ratios) if ratios else None, "x", least=least, digits=2,
                        note=problems(found, cell) or f"median of {len(ratios)}", command=f"{RUN_APPS} {cell}"))
    return rows


def of_networks(found: Figures) -> list[Row]:
    rows = []
    for cell, title in (("another_address", "the only interface has another address: silence, longest"),
                        ("no_address_for_a_while", "none for 2 s, then another: from when it is usable, longest"),
                        ("asleep", "asleep for 30 s: after waking up, longest")):
        rounds = found.get(cell, "silences") or []
        worst = [max(each.values()) * 1000 for each in rounds]
        rows.append(Row(title, max(worst, default=None), "ms", most=1_000.0, digits=0,
                        note=found.problem(cell) or f"of {len(worst)}, p50 {statistics.median(worst):.0f} ms; no connection broken",
                        command=f"{RUN_APPS} {cell}"))
    return rows


def of_service(found: Figures) -> list[Row]:
    rows = []
    for cell, title in (("destination_killed", "a destination is killed: a new connection, slowest"),
                        ("target_stopped", "its target stops: a new connection, slowest")):
        times = found.get(cell, "connect_seconds") or []
        rows.append(Row(title, max(times, default=None), "s", most=2.0, digits=2,
                        note=found.problem(cell) or f"{len(times)} of {len(times)} in {found.get(cell, 'runs')} runs",
                        command=f"{RUN_APPS} {cell} --runs 50"))
    resets = found.get("destination_killed", "reset_seconds") or []
    rows.append(Row("its open connections, with data on the way, end: slowest", max(resets, default=None), "s", most=2.0, digits=2,
                    note=f"p50 {statistics.median(resets):.2f} s" if resets else "", command=f"{RUN_APPS} destination_killed --runs 50"))
    rows.append(Row("drained: from SIGTERM to the end of its transfers", found.get("drained_under_load", "drain_seconds"), "s", digits=1,
                    note=found.problem("drained_under_load") or "eight transfers whole", command=f"{RUN_APPS} drained_under_load"))
    return rows


def of_limits(found: Figures) -> list[Row]:
    bits = found.get("rate_limited", "bits_per_second")
    idle = found.get("a_metered_path_carries_what_it_must", "idle_bytes")
    return [
        Row("a rate of 20 Mbit/s, off by", None if bits is None else abs(bits / 20e6 - 1) * 100, "%", most=5.0, digits=1,
            note=found.problem("rate_limited"), command=f"{RUN_APPS} rate_limited"),
        Row("over a metered path while 10 MB go elsewhere", idle, "bytes", most=20_000, digits=0,
            note=found.problem("a_metered_path_carries_what_it_must"), command=f"{RUN_APPS} a_metered_path")]
