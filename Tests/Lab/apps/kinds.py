"""Kinds and options of tunnels with real programs: unix sockets, the PROXY protocol, ranges of ports, compression, idle timeouts,
allow lists."""

import os
import stat

from harness.data import file_digest, receive_exactly, write_file
from harness.gateway import ADDRESSES, Pair, Tunnel
from harness.lab import check, wait_until
from harness.runner import test

from .programs import serving, ssh_options, start_nginx, start_postgresql, start_sshd


@test(seconds=300)
def postgresql_unix_socket(run):
    """psql and a PostgreSQL, each at a unix socket."""
    port = run.port()
    front = run.directory / "front"
    front.mkdir(mode=0o700)
    listen, target = front / ".s.PGSQL.5432", run.directory / "pgsocket" / f".s.PGSQL.{port}"
    database = Tunnel("database", f"unix:{listen}", f"unix:{target}")
    with Pair(run.lab, run.directory / "dx", [database]) as pair:
        mode = stat.S_IMODE(listen.stat().st_mode)
        check(mode == 0o600, f"the socket has mode {mode:o}")
        programs, _, server = start_postgresql(run, port)
        client = ["-h", front, "-U", "postgres"]

        def ready():
            return run.lab.run("a", [f"{programs}/pg_isready", *client], ok=False).returncode == 0
        wait_until(ready, "PostgreSQL answers through the tunnel", 60.0, alive=[server])

        def ask(statement, ok=True):
            return run.lab.run("a", [f"{programs}/psql", *client, "-At", "-v", "ON_ERROR_STOP=1", "-c", statement],
                               seconds=120, ok=ok)
        rows = run.size(200_000, 20_000)
        ask(f"create table t as select n, md5(n::text) as h from generate_series(1, {rows}) n")
        said = ask("select h from t order by n").stdout.split()
        check(len(said) == rows, f"{len(said)} of {rows} rows came")
        check(ask("select inet_client_addr() is null").stdout.strip() == "t", "it was no unix socket for PostgreSQL")
        # A copy goes the other way; its end is the client's half-close.
        table = run.directory / "table"
        table.write_text("".join(f"{n}\t{h}\n" for n, h in enumerate(said, 1)))
        ask("create table u (n int, h text)")
        ask(f"\\copy u from '{table}'")
        same = ask("select count(*) from t join u using (n, h)").stdout.strip()
        check(same == str(rows), f"{same} of {rows} rows are the same")
        # The server says why and closes.
        failed = run.lab.run("a", [f"{programs}/psql", *client, "-c", "select 1", "nowhere"], ok=False)
        check('database "nowhere" does not exist' in failed.stderr, f"the refusal came as {failed.stderr!r}")
        pair.wait_idle()
    check(not os.path.exists(listen), "the socket stayed behind")
    return f"{rows} rows there and back"


@test(cells=("clean",))
def dead_unix_socket(run):
    """A gateway that was killed leaves its socket behind; the next one takes its place."""
    port, root_port = run.port(), run.port()
    listen = run.directory / "web.sock"
    web = Tunnel("web", f"unix:{listen}", root_port)
    with Pair(run.lab, run.directory / "dx", [web]) as pair:
        root = start_nginx(run, root_port)
        (root / "page").write_text(f"page {port}\n")

        def fetch(ok=True):
            return run.lab.run("a", ["curl", "-sS", "--fail", "--unix-socket", listen, "http://web/page"], ok=ok)
        check(fetch().stdout == f"page {port}\n", "the page differs")
        pair.a.kill9()
        check(listen.is_socket(), "the socket went with the process")
        check(fetch(ok=False).returncode == 7, "a dead socket did not refuse")
        pair.a.start()
        wait_until(lambda: fetch(ok=False).returncode == 0, "the new gateway serves", 60.0, alive=[pair.a.process])
    check(not listen.exists(), "the socket stayed behind")
    return "replaced after a kill"


@test()
def nginx_proxy_protocol(run):
    """nginx reads PROXY protocol v2: its log shows the true clients."""
    web = Tunnel("web", f"0.0.0.0:{run.port()}", run.port(), options={"proxy_protocol": "true"})
    log = run.directory / "access.log"
    with Pair(run.lab, run.directory / "dx", [web]):
        root = start_nginx(
            run, int(web.target.rsplit(":", 1)[1]), listen_options="proxy_protocol", extra=f"""
    log_format client '$remote_addr $proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port';
    access_log {log} client; set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol;""")
        (root / "page").write_text("hello\n")
        wanted = []
        clients = (("a", "127.0.0.9", "127.0.0.1", 40_001), ("a", ADDRESSES["a"], ADDRESSES["a"], 40_002),
                   ("b", ADDRESSES["b"], ADDRESSES["a"], 40_003))
        for host, source, address, port in clients:
            page = run.lab.run(host, ["curl", "-sS", "--fail", "--interface", source, "--local-port", port,
                                      f"http://{address}:{web.port}/page"]).stdout
            check(page == "hello\n", f"the page came as {page!r}")
            wanted.append(f"{source} {source}:{port} {address}:{web.port}")
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == len(wanted), "nginx writes its log")
        check(log.read_text().splitlines() == wanted, f"the log says {log.read_text()!r}, not {wanted}")
    return f"{len(wanted)} clients logged with their addresses and ports"


@test()
def port_range(run):
    """One tunnel with four ports: nginx, Redis and sshd behind three of them, nothing behind the fourth."""
    fronts, backs = [run.port() for _ in range(4)], [run.port() for _ in range(4)]
    services = Tunnel("services", f"127.0.0.1:{fronts[0]}-{fronts[3]}", f"127.0.0.1:{backs[0]}-{backs[3]}")
    with Pair(run.lab, run.directory / "dx", [services]) as pair:
        (start_nginx(run, backs[0]) / "page").write_text("hello\n")
        redis = run.lab.start(
            "b", ["redis-server", "--bind", "127.0.0.1", "--port", str(backs[1]), "--save", "", "--appendonly", "no",
                  "--dir", run.directory, "--daemonize", "no"], "redis", run.directory / "redis.log")
        serving(run, "b", backs[1], redis)
        keys = run.directory / "ssh"
        keys.mkdir(mode=0o700)
        for name in ("host", "user"):
            run.lab.run("b", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name])
        (keys / "authorized").write_text((keys / "user.pub").read_text())
        start_sshd(run.lab, "b", backs[2], keys)
        for _ in range(3):
            page = run.lab.run("a", ["curl", "-sS", "--fail", f"http://127.0.0.1:{fronts[0]}/page"]).stdout
            check(page == "hello\n", f"nginx said {page!r}")
            pong = run.lab.run("a", ["redis-cli", "-h", "127.0.0.1", "-p", str(fronts[1]), "ping"]).stdout.strip()
            check(pong == "PONG", f"Redis said {pong!r}")
            said = run.lab.run("a", ["ssh", *ssh_options(keys), "-p", str(fronts[2]), "root@127.0.0.1", "echo there"])
            check(said.stdout.strip() == "there", f"ssh said {said.stdout!r}")
            refused = run.lab.run("a", ["curl", "-sS", f"http://127.0.0.1:{fronts[3]}/page"], ok=False)
            # Reset while it connects, or once it is connected.
            check(refused.returncode in (7, 52, 55, 56), f"where nothing listens curl ended with {refused.returncode}")
        status = pair.a.status()["tunnels"][0]
        check(status["listen"] == [services.listen], f"status says {status['listen']}")
        pair.wait_idle()
    return "nginx, Redis and sshd, each behind its own port"


@test()
def compressed_log(run):
    """A log file from nginx and back by PUT, compressed on its way: equal, and a third of the bytes."""
    web = Tunnel("web", run.port(), run.port(), options={"compression": "deflate"})
    lines = run.size(400_000, 40_000)
    with Pair(run.lab, run.directory / "dx", [web]) as pair:
        root = start_nginx(run, int(web.target.rsplit(":", 1)[1]), extra="access_log off; dav_methods PUT;")
        source = root / "log"
        source.write_text("".join(
            f"2026-01-{n % 28 + 1:02} 12:{n % 60:02}:{n * 7 % 60:02} sensor-{n % 97} temperature={n * 31 % 400 / 10} ok\n"
            for n in range(lines)))
        size = source.stat().st_size
        before = pair.b.status()["peers"][0]["bytes_sent"]
        run.lab.run("a", ["curl", "-sS", "--fail", "-o", run.directory / "fetched", f"http://{web.listen}/log"], seconds=240)
        sent = pair.b.status()["peers"][0]["bytes_sent"] - before
        check(file_digest(run.directory / "fetched") == file_digest(source), "the file came different")
        check(sent < size * 2 / 5, f"{sent} bytes were sent for {size}")
        check(pair.a.status()["tunnels"][0].get("compression") == "deflate", "status does not say that it is compressed")
        pair.wait_idle()
    run.note(bytes=size, sent_bytes=sent)
    return f"{size / 1e6:.0f} MB as {sent / 1e6:.1f} MB"


@test(cells=("clean",))
def idle_redis(run):
    """A connection to Redis without a byte is reset; one that asks now and then is not."""
    cache = Tunnel("cache", run.port(), run.port(), options={"idle_timeout": "30s"})
    port = cache.target.rsplit(":", 1)[1]
    with Pair(run.lab, run.directory / "dx", [cache]) as pair:
        redis = run.lab.start(
            "b", ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no",
                  "--dir", run.directory, "--daemonize", "no"], "redis", run.directory / "redis.log")
        serving(run, "b", int(port), redis)
        idle, busy = pair.connect(cache), pair.connect(cache)
        for connection in (idle, busy):
            connection.sendall(b"PING\r\n")
            check(receive_exactly(connection, 7) == b"+PONG\r\n", "no PONG")
        # The busy one asks until the idle one has ended: thirty times in its timeout, so that a slow machine does not make it idle.
        idle.settimeout(1.0)
        ending = None
        while ending is None:
            busy.sendall(b"PING\r\n")
            check(receive_exactly(busy, 7) == b"+PONG\r\n", "no PONG")
            try:
                ending = "an end" if idle.recv(1) == b"" else "a byte"
            except TimeoutError:
                continue
            except ConnectionResetError:
                ending = "reset"
        check(ending == "reset", f"the idle connection ended with {ending}")
        busy.close()
        pair.wait_idle()
    return "reset after 30 s of silence, while another one went on"


@test(cells=("clean",))
def allowed_clients(run):
    """curl from an address of the allow list, and from one that is none."""
    web = Tunnel("web", f"0.0.0.0:{run.port()}", run.port(), options={"allow": f'["127.0.0.0/8", "{ADDRESSES["b"]}"]'})
    with Pair(run.lab, run.directory / "dx", [web]) as pair:
        (start_nginx(run, int(web.target.rsplit(":", 1)[1])) / "page").write_text("hello\n")
        for host, address, is_allowed in (("a", "127.0.0.1", True), ("b", ADDRESSES["a"], True), ("a", ADDRESSES["a"], False)):
            said = run.lab.run(host, ["curl", "-sS", "--fail", f"http://{address}:{web.port}/page"], ok=False)
            check((said.returncode == 0) == is_allowed, f"from {host} to {address}: curl ended with {said.returncode}")
        refused = pair.a.status()["tunnels"][0]["refused_connections"]
        check(refused == 1, f"{refused} connections were refused")
    return "two let in, one reset"


@test(cells=("clean",), seconds=300)
def rate_limited(run):
    """curl through a tunnel with `rate: 20M`: it takes as long as that says."""
    web = Tunnel("web", run.port(), run.port(), options={"rate": "20M"})
    with Pair(run.lab, run.directory / "dx", [web]):
        root = start_nginx(run, int(web.target.rsplit(":", 1)[1]))
        count = 25_000_000
        write_file(root / "blob", count, seed=3)
        said = run.lab.run(
            "a", ["curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{time_total} %{size_download}", f"http://{web.listen}/blob"],
            seconds=280).stdout.split()
    seconds, size = float(said[0]), int(said[1])
    check(size == count, f"{size} of {count} bytes")
    bits = count * 8 / seconds
    # A machine can be too slow for a rate, and never too fast.
    check(bits < 21_000_000, f"{bits / 1e6:.2f} Mbit/s, not 20")
    run.note(bits_per_second=bits)
    return f"{bits / 1e6:.2f} Mbit/s (goal 19 to 21)"
