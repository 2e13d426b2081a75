"""nginx with curl, PostgreSQL with pgbench, Redis with redis-benchmark, OpenSSH with scp, Mosquitto."""

import csv
import glob
import io
import pathlib
import pwd
import re
import shutil

from harness.data import file_digest, write_file
from harness.gateway import Pair, Tunnel
from harness.lab import check, wait_until
from harness.runner import test

MEGABYTE = 1_000_000
GIGABYTE = 1_000_000_000


def serving(run, host, port, process):
    """Until a server listens."""
    wait_until(lambda: run.lab.listening(host, port), f"{process.name} listens on {port}", 60.0, alive=[process])


def rate(count, seconds):
    return f"{count * 8 / seconds / 1e6:.0f} Mbit/s"


def start_nginx(run, port, listen_options="", extra="access_log off;"):
    """nginx on host b: serves and accepts (PUT) files below run.directory/www."""
    root = run.directory / "www"
    root.mkdir()
    config = run.directory / "nginx.conf"
    # One process without workers: it stays root, so that it may read the test's directory.
    config.write_text(f"""
daemon off; master_process off; pid {run.directory}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    {extra} sendfile on; client_max_body_size 0;
    client_body_temp_path {run.directory}/body; proxy_temp_path {run.directory}/proxy;
    fastcgi_temp_path {run.directory}/fastcgi; uwsgi_temp_path {run.directory}/uwsgi; scgi_temp_path {run.directory}/scgi;
    server {{ listen 127.0.0.1:{port} {listen_options}; root {root}; }}
}}
""")
    process = run.lab.start("b", ["nginx", "-p", run.directory, "-c", config, "-e", "stderr"], "nginx",
                            run.directory / "nginx.log")
    serving(run, "b", port, process)
    return root


@test(seconds=600)
def nginx_curl(run):
    """A file from nginx by curl: 1 GB when clean, its SHA-256 equal."""
    count = run.size(GIGABYTE, 32 * MEGABYTE, full=GIGABYTE)
    web = Tunnel("web", run.port(), run.port())
    with Pair(run.lab, run.directory / "dx", [web]) as pair:
        root = start_nginx(run, int(web.target.rsplit(":", 1)[1]))
        digest = write_file(root / "blob", count, seed=1)
        fetched = run.directory / "fetched"
        said = run.lab.run(
            "a", ["curl", "-sS", "--fail", "-o", fetched, "-w", "%{time_total} %{size_download}",
                  f"http://{web.listen}/blob"], seconds=6000).stdout.split()
        seconds, size = float(said[0]), int(said[1])
        check(size == count, f"curl got {size} of {count} bytes")
        check(file_digest(fetched) == digest, "SHA-256 of what curl got differs")
        fetched.unlink()
        # A second connection must work as well as the first, and small answers too.
        (root / "page").write_text("hello through the tunnel\n")
        page = run.lab.run("a", ["curl", "-sS", "--fail", f"http://{web.listen}/page"]).stdout
        check(page == "hello through the tunnel\n", f"the page came as {page!r}")
        memory = max(pair.memory())
        counters = pair.b.status()["peers"][0]["counters"]
        # Over a link that loses nothing nearly all bytes go in packets of several datagrams (docs/transport.md).
        check(run.cell != "clean" or counters["packets_sent"] < count / 5000, f"many small packets: {counters}")
    run.note(bytes=count, transfer_seconds=seconds, mbit_per_second=count * 8 / seconds / 1e6, gateway_rss_bytes=memory)
    return f"{count / 1e6:.0f} MB at {rate(count, seconds)}, SHA-256 equal; gateways at most {memory / 1e6:.0f} MB resident"


def start_postgresql(run, port):
    """A PostgreSQL on host b; returns where its programs are, the directory of its unix socket, and its process."""
    postgres = pwd.getpwnam("postgres")
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    data, sockets = run.directory / "pgdata", run.directory / "pgsocket"
    for path in (data, sockets):
        path.mkdir(mode=0o700)
        shutil.chown(path, postgres.pw_uid, postgres.pw_gid)
    unprivileged = ["setpriv", f"--reuid={postgres.pw_uid}", f"--regid={postgres.pw_gid}", "--clear-groups", "env",
                    "-C", sockets]
    run.lab.run("b", [*unprivileged, f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N",
                      "--locale=C", "-E", "UTF8"], seconds=120)
    server = run.lab.start(
        "b", [*unprivileged, f"{programs}/postgres", "-D", data, "-p", port, "-k", sockets,
              "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"], "postgres", run.directory / "postgres.log")
    serving(run, "b", port, server)
    return programs, sockets, server


@test(seconds=300)
def postgresql_pgbench(run):
    """pgbench loads a PostgreSQL through the tunnel and runs transactions; the books balance."""
    database = Tunnel("database", run.port(), run.port())
    port = int(database.target.rsplit(":", 1)[1])
    with Pair(run.lab, run.directory / "dx", [database]):
        programs, _, server = start_postgresql(run, port)
        client = ["-h", "127.0.0.1", "-p", database.port, "-U", "postgres"]

        def ready():
            return run.lab.run("a", [f"{programs}/pg_isready", *client], ok=False).returncode == 0
        wait_until(ready, "PostgreSQL answers through the tunnel", 60.0, alive=[server])
        pgbench = f"{programs}/pgbench"
        # 65 MB of rows come from the client through the tunnel; over the impaired link only with --full.
        rows_made_by = ["-I", "dtGvp"] if run.impaired and not run.full else ["-I", "dtgvp"]
        run.lab.run("a", [pgbench, *client, "-i", "-s", 5, "-q", *rows_made_by, "postgres"], seconds=240)
        clients, each = 8, run.size(1000, 60, full=2000)
        said = run.lab.run("a", [pgbench, *client, "-c", clients, "-j", 2, "-t", each, "postgres"], seconds=600).stdout
        done = re.search(r"number of transactions actually processed: (\d+)/(\d+)", said)
        failed = re.search(r"number of failed transactions: (\d+)", said)
        tps = float(re.search(r"^tps = ([\d.]+)", said, re.MULTILINE).group(1))
        latency = float(re.search(r"latency average = ([\d.]+) ms", said).group(1))
        check(int(done.group(1)) == clients * each, f"pgbench did {done.group(0)}")
        check(failed is None or int(failed.group(1)) == 0, f"pgbench: {failed and failed.group(0)}")
        rows = run.lab.run(
            "a", [f"{programs}/psql", *client, "-At", "-c",
                  "select count(*), (select sum(abalance) from pgbench_accounts) = sum(delta),"
                  " (select sum(bbalance) from pgbench_branches) = sum(delta) from pgbench_history"]).stdout.strip()
        check(rows == f"{clients * each}|t|t", f"the books do not balance: {rows}")
        run.lab.run("a", [pgbench, *client, "-c", clients, "-j", 2, "-t", each, "-S", "-C" if run.full else "-n", "postgres"],
                    seconds=600)
    run.note(tps=tps, latency_ms=latency)
    return f"{tps:.0f} transactions/s, {latency:.2f} ms on average, {clients} clients, none failed"


@test(seconds=300)
def redis_benchmark(run):
    """redis-benchmark against a Redis on the other side (origin is b, destination is a)."""
    cache = Tunnel("cache", run.port(), run.port(), origin="b")
    port = cache.target.rsplit(":", 1)[1]
    with Pair(run.lab, run.directory / "dx", [cache]):
        server = run.lab.start(
            "a", ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no",
                  "--dir", run.directory, "--daemonize", "no"], "redis", run.directory / "redis.log")
        serving(run, "a", int(port), server)
        requests = run.size(100_000, 5_000, full=100_000)
        said = run.lab.run(
            "b", ["redis-benchmark", "-h", "127.0.0.1", "-p", cache.port, "-t", "set,get", "-n", requests, "-c", 50,
                  "-d", 256, "-r", 10000, "--csv"], seconds=600).stdout
        rows = {row["test"]: row for row in csv.DictReader(io.StringIO(said))}
        check(set(rows) == {"SET", "GET"}, f"redis-benchmark said: {said!r}")
        # 20 MB (Redis takes up to 512) in one value, there and back.
        count = run.size(20 * MEGABYTE, 2 * MEGABYTE)
        digest = write_file(run.directory / "value", count, seed=2)
        client = ["redis-cli", "-h", "127.0.0.1", "-p", cache.port]
        with open(run.directory / "value", "rb") as value:
            answer = run.lab.run("b", [*client, "-x", "set", "big"], seconds=300, stdin=value).stdout.strip()
        check(answer == "OK", f"SET of {count} bytes: {answer}")
        with open(run.directory / "back", "wb") as back:
            run.lab.run("b", [*client, "--raw", "get", "big"], seconds=300, stdout=back, capture_output=False, text=None)
        with open(run.directory / "back", "r+b") as back:
            back.truncate(count)      # redis-cli adds a newline
        check(file_digest(run.directory / "back") == digest, "the value came back different")
    figures = {name: (float(row["rps"]), float(row["p50_latency_ms"])) for name, row in rows.items()}
    run.note(**{f"{name.lower()}_per_second": value[0] for name, value in figures.items()})
    return ", ".join(f"{name} {value[0]:.0f}/s (p50 {value[1]:.2f} ms)" for name, value in figures.items())


@test(seconds=300)
def openssh_scp(run):
    """scp both ways through the tunnel (origin is b, sshd on a)."""
    shell = Tunnel("shell", run.port(), run.port(), origin="b")
    port = int(shell.target.rsplit(":", 1)[1])
    keys = run.directory / "ssh"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        run.lab.run("a", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name])
    shutil.copy(keys / "user.pub", keys / "authorized")
    start_sshd(run.lab, "a", port, keys)
    with Pair(run.lab, run.directory / "dx", [shell]):
        count = run.size(256 * MEGABYTE, 8 * MEGABYTE, full=256 * MEGABYTE)
        digest = write_file(run.directory / "sent", count, seed=3)
        options = ssh_options(keys) + ["-P", shell.port]
        figures = []
        for step, (source, target, check_file) in enumerate((
                (run.directory / "sent", f"root@127.0.0.1:{run.directory}/there", "there"),
                (f"root@127.0.0.1:{run.directory}/there", run.directory / "back", "back"))):
            timed = run.lab.run("b", ["bash", "-c", 'TIMEFORMAT=%R; time "$@"', "-", "scp", "-q", *options, source, target],
                                seconds=900)
            seconds = float(timed.stderr.strip().splitlines()[-1])
            check(file_digest(run.directory / check_file) == digest, f"the copy {check_file} differs")
            figures.append(seconds)
    run.note(bytes=count, upload_seconds=figures[0], download_seconds=figures[1])
    return f"{count / 1e6:.0f} MB up at {rate(count, figures[0])}, down at {rate(count, figures[1])}, equal"


def start_sshd(lab, host, port, keys, address="127.0.0.1"):
    """An sshd of our own, with our keys and no configuration of the system's."""
    pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)     # its privilege separation directory
    config = keys / "sshd_config"
    config.write_text(f"""
ListenAddress {address}
Port {port}
HostKey {keys}/host
AuthorizedKeysFile {keys}/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
AllowTcpForwarding yes
UseDNS no
Subsystem sftp internal-sftp
""")
    process = lab.start(host, ["/usr/sbin/sshd", "-D", "-e", "-f", config], "sshd", keys / "sshd.log")
    wait_until(lambda: lab.listening(host, port), f"sshd listens on {port}", 30.0, alive=[process])
    return process


def ssh_options(keys):
    return ["-F", "none", "-i", keys / "user", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={keys}/known",
            "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]


@test(seconds=300)
def mqtt(run):
    """A thousand messages of QoS 1 from one MQTT client to another, both by a tunnel to a broker, in order and each once."""
    each = Tunnel("mqtt", run.port(), run.port())
    port, count = int(each.target.rsplit(":", 1)[1]), 1000
    settings = run.directory / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\nmax_queued_messages 0\n")
    host, tunnel_port = each.listen.rsplit(":", 1)
    client = ["-h", host, "-p", tunnel_port, "-q", "1", "-t", "site/1/meter"]
    with Pair(run.lab, run.directory / "dx", [each]):
        broker = run.lab.start("b", ["mosquitto", "-v", "-c", settings], "mosquitto", run.directory / "mosquitto.log")
        serving(run, "b", port, broker)
        subscriber = run.lab.start(
            "a", ["mosquitto_sub", *client, "-c", "-i", "reader", "-C", str(count)], "mosquitto_sub", run.directory / "sub.log")
        wait_until(lambda: "SUBACK to reader" in broker.output(), "the reader is at the broker", 60.0, alive=[broker, subscriber])
        lines = "".join(f"{number} kWh\n" for number in range(count))
        run.lab.run("a", ["mosquitto_pub", *client, "-i", "writer", "-l"], input=lines, seconds=240.0)
        check(subscriber.wait(240.0) == 0, f"mosquitto_sub ended with {subscriber.ending()}")
        check(subscriber.output() == lines, f"{len(subscriber.output().splitlines())} of {count} messages, or another order")
    return f"{count} messages, in order"
