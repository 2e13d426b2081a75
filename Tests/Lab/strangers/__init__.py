"""The tests of silence. Importing this package registers them."""

from . import scans, replays  # noqa: F401

PACKAGES = ("ip=iproute2", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "nmap=nmap", "tcpdump=tcpdump")
