"""The small C programs of the suite, compiled when they are older than their source."""

from __future__ import annotations

import pathlib
import subprocess

from harness.lab import check

from . import BENCHMARKS, RESULTS

BUILD = RESULTS / "bench-tools"
PROGRAMS = {
    "load": (["load/load.c", "load/serve.c", "load/stream.c", "load/echo.c", "load/connections.c", "load/hold.c"],
             ["-pthread"]),
    "liballoccount.so": (["alloccount.c"], ["-shared", "-fPIC", "-pthread", "-fno-builtin", "-fno-omit-frame-pointer",
                                            "-ftls-model=initial-exec"]),
    "alloccount-known": (["alloccount_known.c"], ["-pthread", "-fno-builtin", "-fno-omit-frame-pointer"]),
}
PACKAGES = ("gcc=gcc", "/usr/include/stdio.h=libc6-dev")


def tool(name: str) -> pathlib.Path:
    """The path of a compiled tool."""
    sources, flags = PROGRAMS[name]
    paths = [BENCHMARKS / "tools" / source for source in sources]
    built = BUILD / name
    newest = max(path.stat().st_mtime for directory in {path.parent for path in paths} for path in directory.glob("*.[ch]"))
    if not built.exists() or built.stat().st_mtime < newest:
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = built.with_suffix(".new")
        result = subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", *flags, "-o", fresh, *paths],
                                capture_output=True, text=True)
        check(result.returncode == 0, f"compiling {name}: {result.stderr.strip()}")
        fresh.rename(built)
    return built
