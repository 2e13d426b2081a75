"""Names for the return addresses of a living process, from its maps and its files' symbol tables."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import functools
import pathlib
import subprocess

from . import perf


@dataclasses.dataclass(frozen=True)
class Mapping:
    """A part of a file in a process's memory."""

    start: int
    end: int
    offset: int
    path: str


@dataclasses.dataclass(frozen=True)
class Table:
    """Symbols of one file, by file address, and how file offsets become addresses."""

    addresses: list[int]
    names: list[str]
    segments: list[tuple[int, int, int]]     # (file offset, size, address) of what is loaded

    def name(self, offset: int) -> str | None:
        for start, size, address in self.segments:
            if start <= offset < start + size:
                index = bisect.bisect_right(self.addresses, offset - start + address) - 1
                return self.names[index] if index >= 0 else None
        return None


def mappings(pid: int) -> list[Mapping]:
    found = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/") and "x" in fields[1]:
            start, end = (int(value, 16) for value in fields[0].split("-"))
            found.append(Mapping(start, end, int(fields[2], 16), fields[5]))
    return sorted(found, key=lambda each: each.start)


@functools.cache
def table(path: str) -> Table:
    segments = []
    for line in subprocess.run(["readelf", "-lW", path], capture_output=True, text=True).stdout.splitlines():
        fields = line.split()
        if fields[:1] == ["LOAD"]:
            segments.append((int(fields[1], 16), int(fields[4], 16), int(fields[2], 16)))
    rows: dict[int, str] = {}
    for option in ("--dynamic", "--defined-only"):
        said = subprocess.run(["nm", option, "--defined-only", path], capture_output=True, text=True).stdout
        for line in said.splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[1] in "tTwWiuV":
                rows[int(fields[0], 16)] = fields[2]
    addresses = sorted(rows)
    return Table(addresses, [rows[address] for address in addresses], segments)


def named(pid: int, samples: list[tuple[int, list[int]]]) -> perf.Stacks:
    """Stacks of names as the linker knows them, outermost first, and how often each was seen."""
    maps = mappings(pid)
    starts = [each.start for each in maps]

    def name(address: int) -> str:
        index = bisect.bisect_right(starts, address) - 1
        if index < 0 or address >= maps[index].end:
            return "[unknown]"
        found = maps[index]
        # The return address is behind the call, and may be behind the function that made it.
        symbol = table(found.path).name(address - 1 - found.start + found.offset)
        return symbol.split("@")[0] if symbol else f"[{pathlib.PurePath(found.path).name}]"

    stacks: collections.Counter[tuple[str, ...]] = collections.Counter()
    for _, frames in samples:
        stacks[tuple(name(frame) for frame in reversed(frames)) or ("[unknown]",)] += 1
    return dict(stacks)
