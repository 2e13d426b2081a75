"""The tests of run-group. Importing this package registers them, in the order of the imports."""

from . import alone, clones, disks, story  # noqa: F401

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = (
    "ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "curl=curl", "nginx=nginx",
    "redis-server=redis-server", "redis-benchmark=redis-tools", "/usr/lib/*/faketime/libfaketime.so.1=libfaketime",
)
