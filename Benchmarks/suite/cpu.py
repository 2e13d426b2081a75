"""CPU time: of processes and their descendants, and of the whole system."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time
from collections.abc import Iterable, Mapping

TICK = os.sysconf("SC_CLK_TCK")
# /proc/stat: user nice system idle iowait irq softirq steal ...: all but idle, iowait and steal is work done here.
BUSY_COLUMNS = (0, 1, 2, 5, 6)
STEAL_COLUMN = 7


def descendants(pid: int) -> list[int]:
    """The process and all that it started, and those started."""
    children: dict[int, list[int]] = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory: of one process its RSS; of several the sum of their PSS, which shares what they share."""
    pids = list(pids)
    file, key = ("status", "VmRSS:") if len(pids) == 1 else ("smaps_rollup", "Pss:")
    total = 0
    for pid in pids:
        try:
            for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
                if line.startswith(key):
                    total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


@dataclasses.dataclass(frozen=True)
class Times:
    """CPU seconds so far."""

    total: float = 0.0      # to the nanosecond, with threads that ended
    user: float = 0.0       # in the kernel's clock ticks
    system: float = 0.0

    def __sub__(self, other: Times) -> Times:
        return Times(self.total - other.total, self.user - other.user, self.system - other.system)

    def __add__(self, other: Times) -> Times:
        return Times(self.total + other.total, self.user + other.user, self.system + other.system)


def of_process(pid: int) -> Times:
    """Its own time, and that of its children that ended and were waited for."""
    try:
        fields = [int(value) for value in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1:]]
        user, system, children_user, children_system = (value / TICK for value in fields[10:14])
        own = time.clock_gettime((~pid << 3) | 2)
    except (FileNotFoundError, ProcessLookupError, OSError):
        return Times()
    return Times(own + children_user + children_system, user + children_user, system + children_system)


def of_tree(root: int) -> Times:
    return sum((of_process(pid) for pid in descendants(root)), Times())


def of_system() -> tuple[float, float]:
    """(busy, stolen) seconds of all CPUs since boot."""
    fields = [int(value) for value in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields[column] for column in BUSY_COLUMNS) / TICK, fields[STEAL_COLUMN] / TICK


@dataclasses.dataclass(frozen=True)
class Spent:
    """CPU seconds: of each group, of the whole system, and those that another guest of this machine's host took."""

    groups: dict[str, Times]
    system: float
    stolen: float

    @property
    def processes(self) -> float:
        return sum(times.total for times in self.groups.values())

    def per_gigabyte(self, count: int) -> dict[str, float]:
        """Figures for `count` bytes."""
        gigabytes = max(count, 1) / 1e9
        figures = {"cpu_s_per_gb": self.processes / gigabytes, "system_cpu_s_per_gb": self.system / gigabytes}
        for name, times in self.groups.items():
            figures[f"{name}_cpu_s_per_gb"] = times.total / gigabytes
            figures[f"{name}_user_s_per_gb"] = times.user / gigabytes
            figures[f"{name}_system_s_per_gb"] = times.system / gigabytes
        return figures


class Meter:
    """CPU seconds between its making and `stop`: of groups of processes with all that they start, and of the system.

    A child that ends hands its time to its parent, so nothing is lost when a program forks for each connection.
    """

    def __init__(self, groups: Mapping[str, Iterable[int]]) -> None:
        self._groups = {name: list(roots) for name, roots in groups.items()}
        self._before = self._now()
        self._system = of_system()

    def _now(self) -> dict[str, Times]:
        return {name: sum(map(of_tree, roots), Times()) for name, roots in self._groups.items()}

    def stop(self) -> Spent:
        busy, stolen = (now - then for now, then in zip(of_system(), self._system))
        return Spent({name: now - self._before[name] for name, now in self._now().items()}, busy, stolen)
