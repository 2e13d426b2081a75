"""A program at a terminal of its own: what it writes, its keys, its size, its modes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

PATIENCE = 120.0        # against hanging; a slow machine judges nothing
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Wrong(Exception):
    """Something is not as it should be."""


def check(truth, words):
    if not truth:
        raise Wrong(words)


class Terminal:
    """Runs a program at a terminal of some size; `said` is all that it wrote."""

    def __init__(self, argv, environment=None, columns=80, rows=24):
        self.said = b""
        self.status = None
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(self.slave)
        ready, go = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(go)
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for descriptor in (0, 1, 2):
                os.dup2(self.slave, descriptor)
            os.read(ready, 1)
            os.closerange(3, 256)
            merged = {**os.environ, "TERM": "xterm", **(environment or {})}
            os.execvpe(argv[0], argv, {key: value for key, value in merged.items() if value is not None})
        os.close(ready)
        os.close(go)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def pump(self, seconds):
        """Takes what the program writes within some time; whether there was something."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.master, 65536)
        except OSError:
            return False
        self.said += more
        return bool(more)

    def wait_for(self, pattern, since=0):
        """Until it has written what fits; the match."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = re.search(pattern, self.said[since:], re.DOTALL)
            if found:
                return found
            self.pump(0.2)
        raise Wrong(f"{pattern!r} was not seen; the end of what was: {self.said[-600:]!r}")

    def wait_shown(self, text, since=0):
        """Until a text stands there, whatever styles it."""
        end = time.monotonic() + PATIENCE
        while text not in plain(self.said[since:]):
            check(time.monotonic() < end, f"{text!r} is not shown; the end of what is: {self.said[-600:]!r}")
            self.pump(0.2)

    def wait(self):
        """Its exit status once it has ended; a signal's is negative."""
        end = time.monotonic() + PATIENCE
        while self.status is None:
            self.pump(0.05)
            done, status = os.waitpid(self.process, os.WNOHANG)
            if done:
                self.status = os.waitstatus_to_exitcode(status)
            check(time.monotonic() < end, f"it did not end: {self.said[-400:]!r}")
        while self.pump(0.1):
            pass
        return self.status

    def is_as_before(self):
        """Whether the terminal's modes are those of before the program."""
        return termios.tcgetattr(self.slave) == self.modes

    def close(self):
        if self.status is None:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            self.status = -signal.SIGKILL
        os.close(self.master)
        os.close(self.slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def plain(said):
    """Without what styles text."""
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]", b"", said).decode(errors="replace")
