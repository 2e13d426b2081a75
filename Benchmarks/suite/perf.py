"""Stacks by perf(1): recorded, demangled, folded."""

from __future__ import annotations

import collections
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterable

from harness.lab import Failure, check

# Not a multiple of the kernel's tick, so as not to run in step with it.
FREQUENCY = 997
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")
MODULE = re.compile(r"\$s(\d+)(\w+)")
Stacks = dict[tuple[str, ...], int]


def start(pid: int, seconds: float, data: pathlib.Path) -> subprocess.Popen[bytes]:
    """Record one process for some seconds. cpu-clock works in virtual machines without counters too."""
    words = ["perf", "record", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-p", str(pid), "-o", str(data),
             "--", "sleep", str(seconds)]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(recording: subprocess.Popen[bytes]) -> None:
    _, said = recording.communicate()
    check(recording.returncode == 0, f"perf record: {said.decode(errors='replace').strip()[-300:]}")


def fold(data: pathlib.Path) -> Stacks:
    """Stacks and how often each was seen, outermost first; `_[k]` marks the kernel's functions."""
    said = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], capture_output=True, text=True,
                          errors="replace")
    check(said.returncode == 0, f"perf script: {said.stderr.strip()[-300:]}")
    stacks: collections.Counter[tuple[str, ...]] = collections.Counter()
    frames: list[str] = []
    for line in [*said.stdout.splitlines(), ""]:
        match = FRAME.match(line)
        if match:
            name, object_ = match.groups()
            kernel = object_.startswith("[kernel") or object_.endswith(".ko")
            if name == "[unknown]":
                name = f"[{pathlib.PurePath(object_).name}]"
            frames.append(name + ("_[k]" if kernel else ""))
        elif frames and not line.strip():
            stacks[tuple(reversed(frames))] += 1
            frames = []
    if not stacks:
        raise Failure(f"perf saw no stack in {data.name}")
    return demangled(stacks)


def module(name: str) -> str:
    """The Swift module that a mangled name begins with."""
    match = MODULE.match(name)
    return match.group(2)[:int(match.group(1))] if match else "Swift"


def demangled(stacks: Stacks) -> Stacks:
    """Swift's names in words, where a Swift toolchain is installed; each after its module."""
    names = sorted({name for stack in stacks for name in stack if name.startswith("$s")})
    words = {name: f"{module(name)}: {word}" for name, word in zip(names, demangle(names))}
    result: collections.Counter[tuple[str, ...]] = collections.Counter()
    for stack, count in stacks.items():
        result[tuple(words.get(name, name) for name in stack)] += count
    return dict(result)


def demangle(names: Iterable[str]) -> list[str]:
    names = list(names)
    program = shutil.which("swift-demangle") or shutil.which("swift")
    if not program or not names:
        return names
    words = [program] if program.endswith("swift-demangle") else [program, "demangle"]
    said = subprocess.run([*words, "--simplified", "--compact"], input="\n".join(names) + "\n", capture_output=True, text=True)
    lines = said.stdout.splitlines()
    return lines if said.returncode == 0 and len(lines) == len(names) else names


def write_folded(stacks: Stacks, path: pathlib.Path) -> None:
    """One stack a line, as other tools read it."""
    path.write_text("".join(f"{';'.join(name.replace(';', ',') for name in stack)} {count}\n"
                            for stack, count in sorted(stacks.items())))


def totals(stacks: Stacks) -> list[tuple[str, int]]:
    """Samples by the innermost function: where the time itself goes."""
    found: collections.Counter[str] = collections.Counter()
    for stack, count in stacks.items():
        found[stack[-1]] += count
    return found.most_common()
