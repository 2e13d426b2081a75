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
    """Resident memory of processes; pages that they share (a program forked) are counted once for each."""
    total = 0
    for pid in pids:
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
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
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return Times(time.clock_gettime((~pid << 3) | 2), int(fields[11]) / TICK, int(fields[12]) / TICK)
    except (FileNotFoundError, ProcessLookupError, OSError):
        return Times()


def of_system() -> tuple[float, float]:
    """(busy, stolen) seconds of all CPUs since boot."""
    fields = [int(value) for value in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields[column] for column in BUSY_COLUMNS) / TICK, fields[STEAL_COLUMN] / TICK


class Meter:
    """CPU seconds between its making and `stop`, of named groups of processes and of the system."""

    def __init__(self, groups: Mapping[str, Iterable[int]]) -> None:
        self._groups = {name: list(pids) for name, pids in groups.items()}
        self._before = {name: [of_process(pid) for pid in pids] for name, pids in self._groups.items()}
        self._system = of_system()

    def stop(self) -> dict[str, object]:
        busy, stolen = (now - then for now, then in zip(of_system(), self._system))
        spent: dict[str, Times] = {}
        for name, pids in self._groups.items():
            total = Times()
            for pid, before in zip(pids, self._before[name]):
                after = of_process(pid)
                if after.total:                    # one that ended takes its time with it
                    total += after - before
            spent[name] = total
        return {"groups": {name: dataclasses.asdict(times) for name, times in spent.items()},
                "processes": sum(times.total for times in spent.values()), "system": busy, "stolen": stolen}
