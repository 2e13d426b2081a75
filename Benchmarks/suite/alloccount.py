"""Reads what tools/alloccount.c writes."""

from __future__ import annotations

import dataclasses
import pathlib
import struct

from harness.lab import Failure

HEADER = struct.Struct("<8sQ6QqQQ")
EVERY_OFFSET = HEADER.size - 16      # `every`, and after it `sampled`
DEPTH = 30
SAMPLES = 16_384
SAMPLE = struct.Struct(f"<{1 + DEPTH}Q")


@dataclasses.dataclass(frozen=True)
class Counts:
    """Of a process so far. `live` is in blocks; `bytes` is what was asked for, ever."""

    pid: int
    malloc: int
    calloc: int
    realloc: int
    aligned: int
    free: int
    bytes: int
    live: int
    every: int
    sampled: int

    @property
    def allocations(self) -> int:
        return self.malloc + self.calloc + self.realloc + self.aligned


def read(path: str | pathlib.Path) -> Counts:
    data = pathlib.Path(path).read_bytes()[:HEADER.size]
    if len(data) < HEADER.size or data[:8] != b"DXALLOC1":
        raise Failure(f"{path} holds no counts: is the program's C library glibc, and is it not a static program?")
    return Counts(*HEADER.unpack(data)[1:])


def sample_from_now_on(path: str | pathlib.Path, every: int) -> None:
    """Forget the stacks kept so far, and keep one of `every` allocations from now on (the file is shared memory)."""
    with open(path, "r+b") as file:
        file.seek(EVERY_OFFSET)
        file.write(struct.pack("<QQ", every, 0))


def read_stacks(path: str | pathlib.Path) -> list[tuple[int, list[int]]]:
    """(bytes, return addresses, the caller first) of the sampled allocations."""
    data = pathlib.Path(path).read_bytes()
    number = min(read(path).sampled, SAMPLES)
    found = []
    for index in range(number):
        size, *frames = SAMPLE.unpack_from(data, HEADER.size + index * SAMPLE.size)
        found.append((size, [frame for frame in frames if frame]))
    return found
