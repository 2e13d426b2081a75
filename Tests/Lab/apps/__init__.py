"""The tests of run-apps. Importing this package registers them, in the order of the imports."""

from . import commands, connections, endings, failures, addresses, programs, roaming  # noqa: F401

# What these tests and the lab need (see scripts/packages for the notation).
PACKAGES = (
    "ip=iproute2", "nft=nftables", "gcc=gcc", "/usr/include/stdio.h=libc6-dev", "curl=curl", "nginx=nginx",
    "redis-server=redis-server", "redis-benchmark=redis-tools", "/usr/lib/postgresql/*/bin/initdb=postgresql",
    "/usr/lib/postgresql/*/bin/pgbench=postgresql", "sshd=openssh-server", "scp=openssh-client",
    "/bin/nc.openbsd=netcat-openbsd", "setpriv=util-linux",
)
