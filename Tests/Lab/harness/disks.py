"""Small disks that are filled, and traffic that must not notice."""

import contextlib
import os
import subprocess
import threading

from .data import Pattern, echo_works
from .lab import Failure, check, wait_until

# A group of five takes some 10 kB. The gateway's own files, sockets and what they are replaced by are fewer than these.
DISK_BYTES, DISK_FILES = 256 * 1024, 64


class Disk:
    """A small disk of its own for a gateway's files."""

    def __init__(self, lab, path, size=DISK_BYTES, files=DISK_FILES):
        self.path, self.fillers = path, []
        path.mkdir(mode=0o700)
        self._mount(["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={files},mode=700", "tmpfs", path])
        lab.at_end(lambda: self._mount(["umount", "--lazy", path]))

    @staticmethod
    def _mount(arguments):
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
        check(done.returncode == 0, f"{arguments[0]}: {done.stderr.strip()}")

    def fill(self):
        """Leaves no byte, nor room for a file."""
        filler = self.path / "filler"
        self.fillers.append(filler)
        with open(filler, "wb", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        check(os.statvfs(self.path).f_bavail == 0, "the disk is not full")

    def use_up_files(self):
        with contextlib.suppress(OSError):
            while True:
                self.fillers.append(self.path / f"file-{len(self.fillers)}")
                self.fillers[-1].touch()
        check(os.statvfs(self.path).f_favail == 0, "there is room for a file")

    def make_room(self):
        for filler in self.fillers:
            filler.unlink(missing_ok=True)
        self.fillers.clear()

    def half_written(self):
        return [path.name for path in self.path.iterdir() if ".new-" in path.name]


class Traffic:
    """A transfer that goes on, and connections that come and go, through the tunnel at one port, while the block runs."""

    def __init__(self, lab, host, port):
        self.lab, self.host, self.port = lab, host, port
        self.moved = self.connections = 0
        self.problem, self.stopping = None, False
        self.threads = [threading.Thread(target=self._guard, args=(part,), daemon=True)
                        for part in (self._transfer, self._connect)]

    def _guard(self, part):
        try:
            part()
        except (OSError, Failure) as problem:
            self.problem = self.problem or problem

    def _transfer(self):
        pattern = Pattern(7)
        with self.lab.connect(self.host, self.port) as connection:
            while not self.stopping:
                pattern.send(connection, 65_536, self.moved)
                pattern.receive(connection, 65_536, self.moved)
                self.moved += 65_536

    def _connect(self):
        while not self.stopping:
            with self.lab.connect(self.host, self.port) as connection:
                check(echo_works(connection), "an echo came changed")
            self.connections += 1

    def wait_more(self):
        """Until both went on from now on."""
        moved, connections = self.moved, self.connections
        wait_until(lambda: self.problem or (self.moved > moved + 1_000_000 and self.connections > connections + 5),
                   "traffic goes on", 60.0)
        check(not self.problem, f"traffic stopped: {self.problem}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join(30.0)
        check(kind or not self.problem, f"traffic stopped: {self.problem}")
