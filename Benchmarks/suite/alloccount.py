"""Reads what tools/alloccount.c writes."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import struct
from collections.abc import Sequence

from harness.lab import Failure

HEADER = struct.Struct("<8sQ6QqQQ")
EVERY_OFFSET = HEADER.size - 16      # `every`, and after it `sampled`
DEPTH = 30
SAMPLES = 16_384
SAMPLE = struct.Struct(f"<{1 + DEPTH}Q")

# What stands between malloc and whoever wanted the memory: allocators, and containers of the standard library, of NIO
# and of swift-collections, which grow on behalf of their caller.
BETWEEN = re.compile(r"malloc$|calloc$|realloc|memalign|swift_|_swift_|_ZN5swift|_Zn[wa]|\[liballoccount"
                     r"|\$s(S|s\d|7NIOCore10ByteBuffer|\d+(Deque|Heap|Ordered|Hash|Bit|_Rope)\w*(Module|Collections))")
# The first function behind those is one of ours: of a Swift module of this project, or of its C shims.
OURS = re.compile(r"\$s\d+DX|dx_")


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


def wanted_by(stack: Sequence[str]) -> str:
    """Of a stack of linker's names, outermost first: the function that wanted the memory."""
    return next((name for name in reversed(stack) if not BETWEEN.match(name)), "[unknown]")


def is_ours(name: str) -> bool:
    return OURS.match(name) is not None
