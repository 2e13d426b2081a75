"""The hosts of the guide: Debian 12 systems that run, on a small internet of network namespaces.

The hosts in `PUBLIC` have addresses of their own there. Every other one stands behind a router of its own that masquerades, as a
device does, and reaches out only. All are one Debian root with an overlay each; `System.changed` lists what differs from that.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "Tests/Lab"))

from harness.lab import Failure, Process, check, wait_until  # noqa: E402

PUBLIC = {"hq": "203.0.113.5", "cloud-1": "203.0.113.6", "match": "203.0.113.9"}
NAMES = {"hq.example": "203.0.113.5", "match.example": "203.0.113.9"}
PACKAGES = ["systemd", "systemd-sysv", "procps", "sudo", "curl", "iproute2", "python3"]
OPERATOR = "op"
# What apt, dpkg and running leave behind whatever is installed.
BOOKKEEPING = ("var/lib/apt", "var/cache", "var/log", "var/lib/dpkg", "var/lib/systemd", "var/tmp", "tmp", "run", "root", f"home/{OPERATOR}",
               "etc/ld.so.cache", "etc/machine-id", "etc/.pwd.lock", "etc/resolv.conf", "var/lib/private", "etc/mtab")


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True)


class Internet:
    """Namespaces: one bridge in the middle, a leaf for each public host, a router and a leaf for each of the others."""

    def __init__(self, identity):
        self.identity, self.names, self.routers = identity, [], 0

    def namespace(self, name):
        return f"guide-{self.identity}-{name}"

    def add(self, name):
        made = self.namespace(name)
        ip("netns", "add", made)
        self.names.append(made)
        ip("-n", made, "link", "set", "lo", "up")
        return made

    def up(self):
        middle = self.add("inet")
        ip("-n", middle, "link", "add", "br0", "type", "bridge")
        ip("-n", middle, "link", "set", "br0", "up")

    def plug(self, name, device, address, gateway=None):
        """A device of a namespace on the bridge in the middle."""
        middle = self.namespace("inet")
        port = f"p{len(self.names)}-{device}"[:15]
        ip("link", "add", port, "netns", middle, "type", "veth", "peer", "name", device, "netns", name)
        ip("-n", middle, "link", "set", port, "master", "br0", "up")
        ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
        ip("-n", name, "link", "set", device, "up")
        if gateway:
            ip("-n", name, "route", "add", "default", "via", gateway)

    def leaf(self, name):
        """The network of a host: in the middle, or behind a router that lets nothing in."""
        made = self.add(name)
        if name in PUBLIC:
            self.plug(made, "eth0", PUBLIC[name])
            return made
        self.routers += 1
        router, inside = self.add(f"r{self.routers}"), f"192.168.{self.routers}"
        self.plug(router, "wan", f"203.0.113.{100 + self.routers}")
        ip("link", "add", "lan", "netns", router, "type", "veth", "peer", "name", "eth0", "netns", made)
        ip("-n", router, "addr", "add", f"{inside}.1/24", "dev", "lan")
        ip("-n", router, "link", "set", "lan", "up")
        ip("-n", made, "addr", "add", f"{inside}.10/24", "dev", "eth0")
        ip("-n", made, "link", "set", "eth0", "up")
        ip("-n", made, "route", "add", "default", "via", f"{inside}.1")
        # Nothing comes in to the router itself: what it refuses must not take a port that the device has outside.
        rules = "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; " \
                "add rule ip nat out oifname wan masquerade; " \
                "add chain ip nat in { type filter hook input priority 0; policy drop; }"
        ip("netns", "exec", router, "sh", "-c", f"echo 1 >/proc/sys/net/ipv4/ip_forward && nft '{rules}'")
        return made

    def down(self):
        for name in reversed(self.names):
            subprocess.run(["ip", "netns", "del", name], check=False)


class System:
    """One host: a root with systemd that runs, and the operator who types there."""

    def __init__(self, directory, base, name, network):
        self.name, self.base, self.place = name, base, directory / name
        self.typed = 0
        self.path, self.upper, self.network = self.place / "root", self.place / "upper", network
        for each in (self.path, self.upper, self.place / "work"):
            each.mkdir(parents=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={base},upperdir={self.upper},workdir={self.place / 'work'}", self.path], check=True)
        (self.path / "etc/hostname").write_text(f"{name}\n")
        with open(self.path / "etc/hosts", "a") as table:
            table.write(f"127.0.1.1 {name}\n")
        self.own = set(self.changed())
        pidfile = self.place / "pid"
        self.process = Process(name, ["nsenter", f"--net=/run/netns/{network}", ROOT / "Tests/Package/boot", self.path, pidfile],
                               self.place / "boot.log")
        wait_until(pidfile.exists, f"{name} boots", 60.0, alive=[self.process])
        self.pid = pidfile.read_text().strip()
        wait_until(lambda: self.call("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), f"{name} is up",
                   120.0, alive=[self.process])
        self.call("install", "-d", "-m", "777", "/run/guide")

    def argv(self, command, user="root", outside=False):
        """`outside`: with this machine's network, through which apt reaches Debian."""
        spaces = ["--mount", "--pid", "--ipc", "--uts", "--cgroup"] + ([] if outside else ["--net"])
        home = "/root" if user == "root" else f"/home/{user}"
        who = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return ["nsenter", "--target", self.pid, *spaces, "/usr/bin/env", "-i", "LC_ALL=C.UTF-8", "TERM=dumb", f"HOME={home}",
                f"USER={user}", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                "NO_COLOR=1", *who, *command]

    def call(self, *command, user="root"):
        return subprocess.run(self.argv(command, user), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=300)

    def type(self, text, user=OPERATOR, seconds=300.0):
        """What the operator types, in a shell that goes on where the last line left it: (exit status, what it printed)."""
        outside = "apt " in text or "apt-get " in text
        script = ('cd; s=/run/guide/$USER; [ ! -e $s.env ] || . $s.env; [ ! -e $s.cwd ] || cd "$(cat $s.cwd)"; set -a; eval "$1"; r=$?; '
                  'export -p >$s.env; pwd >$s.cwd; exit $r')
        # A file for each: what runs on in the background goes on writing to its own.
        self.typed += 1
        output = self.place / f"typed-{self.typed}"
        with open(output, "wb") as said:
            try:
                done = subprocess.run(self.argv(["bash", "-c", script, "bash", text], user, outside), stdin=subprocess.DEVNULL,
                                      stdout=said, stderr=subprocess.STDOUT, check=False, timeout=seconds)
            except subprocess.TimeoutExpired:
                raise Failure(f"does not end within {seconds:g} s: {text}; it printed {output.read_text()[-600:]!r}") from None
        return done.returncode, output.read_text(errors="replace")

    def file(self, path):
        """Where a file of the host lies for the runner; relative ones are in the operator's home."""
        return self.path / (path.lstrip("/") if path.startswith("/") else f"home/{OPERATOR}/{path}")

    def write(self, path, text):
        """A file that the operator writes with an editor; what is there already keeps its owner and mode."""
        place = self.file(path)
        check(place.parent.is_dir(), f"{self.name} has no folder for {path}")
        fresh = not place.exists()
        place.write_text(text)
        if fresh and not path.startswith("/"):
            owner = place.parent.stat()
            os.chown(place, owner.st_uid, owner.st_gid)

    def changed(self):
        """Files that are not as in the root that all began with, their keeping of books apart."""
        found, own = [], getattr(self, "own", ())
        for place, _, names in os.walk(self.upper):
            inside = pathlib.Path(place).relative_to(self.upper)
            for name in names:
                path = str(inside / name)
                if path.startswith(tuple(f"{each}/" for each in BOOKKEEPING)) or path in BOOKKEEPING:
                    continue
                if str(inside) == "etc" and name.endswith("-"):
                    continue
                mine, before = self.upper / path, self.base / path
                facts = mine.lstat()
                if stat.S_ISCHR(facts.st_mode):                 # the overlay's mark for what was removed
                    if os.path.lexists(before):
                        found.append(path)
                elif not os.path.lexists(before):
                    found.append(path)
                elif mine.is_symlink() or before.is_symlink():
                    if not (mine.is_symlink() and before.is_symlink() and os.readlink(mine) == os.readlink(before)):
                        found.append(path)
                elif stat.S_ISREG(facts.st_mode) and mine.read_bytes() != before.read_bytes():
                    found.append(path)
        return sorted(path for path in found if path not in own)

    def keep_logs(self, directory):
        place = directory / self.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "journal").write_text(self.call("journalctl", "--no-pager").stdout)

    def down(self):
        self.process.stop(20.0)
        subprocess.run(["umount", "--lazy", self.path], check=False)


class World:
    """Hosts that begin as clean systems, made when they are first asked for."""

    def __init__(self, directory, base, identity):
        self.directory, self.base, self.systems = directory, base, {}
        self.internet = Internet(identity)
        directory.mkdir()
        self.internet.up()

    def host(self, name):
        if name not in self.systems:
            self.systems[name] = System(self.directory, self.base, name, self.internet.leaf(name))
        return self.systems[name]

    def down(self):
        for system in self.systems.values():
            with contextlib.suppress(Exception):
                system.down()
        self.internet.down()
        shutil.rmtree(self.directory, ignore_errors=True)


def debian(directory):
    """The root that all hosts begin with: Debian's smallest set, what a server has besides, an operator who may use sudo."""
    base = directory / "debian"
    subprocess.run([ROOT / "Tests/Lab/debian-root", base, *PACKAGES], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["useradd", "--root", base, "--create-home", "--shell", "/bin/bash", "--uid", "1000", OPERATOR], check=True)
    (base / "etc/sudoers.d" / OPERATOR).write_text(f"{OPERATOR} ALL=(ALL) NOPASSWD: ALL\n")
    # These roots do not outlive a test: nothing has to be on the disk.
    (base / "etc/dpkg/dpkg.cfg.d/unsafe").write_text("force-unsafe-io\n")
    names = "".join(f"{address} {name}\n" for name, address in NAMES.items())
    (base / "etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{names}")
    subprocess.run(["chroot", base, "apt-get", "-qq", "update"], check=True)
    return base
