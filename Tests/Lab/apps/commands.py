"""The command line: what is wrong is refused before anything starts, by name and line."""

import json
import os
import socket
import stat
import struct

from harness.data import Server, echo, echo_until_end, echo_works
from harness.gateway import PORTS, Pair, binary, command, make_identity, make_veil
from harness.lab import check, wait_until
from harness.runner import test

from .connections import target_port, tunnel


@test(cells=("clean",))
def keys_and_files(run):
    """keygen writes files of mode 0600 and never overwrites; a key that others may read is refused."""
    key, veil = run.directory / "some.key", run.directory / "veil.key"
    run.directory.chmod(0o700)
    identity = make_identity(key)
    make_veil(veil)
    for path in (key, veil):
        mode = stat.S_IMODE(path.stat().st_mode)
        check(mode == 0o600, f"{path.name} has mode {mode:o}")
    check(key.read_text().startswith("-----BEGIN PRIVATE KEY-----"), "the identity is not PKCS#8 PEM")
    check(veil.read_text().startswith("dxveil1:"), "the group key is not a dxveil1 line")
    before = key.read_bytes()
    again = command("keygen", "--out", key, ok=False)
    check(again.returncode == 1 and key.read_bytes() == before, "keygen overwrote a key")
    other = make_identity(run.directory / "other.key")
    check(other != identity, "two keys have the same id")
    pair = Pair(run.lab, run.directory / "dx", [tunnel(run)], start=False)
    os.chmod(pair.a.key, 0o644)
    refused = command("config", "validate", pair.a.config, ok=False)
    check(refused.returncode == 1, f"a key readable by others was accepted ({refused.returncode})")
    check("identity.key" in refused.stderr + refused.stdout, f"the file is not named: {refused.stderr!r}")
    started = command("run", "--config", pair.a.config, ok=False)
    check(started.returncode == 1, f"run with a key readable by others: {started.returncode}")
    return "mode 0600 made and demanded, nothing overwritten"


@test(cells=("clean",))
def config_validate(run):
    """Every mistake of a file at once, each with its line; exit status 1; nothing started."""
    each = tunnel(run)
    pair = Pair(run.lab, run.directory / "dx", [each], start=False)
    command("config", "validate", pair.a.config)
    good = pair.a.config.read_text()
    bad = pair.a.directory / "bad.yaml"
    lines = good.splitlines()
    address = next(i for i, line in enumerate(lines) if "addresses:" in line)
    lines[address] = lines[address].split("[")[0] + '["192.0.2.2:99999"]'
    lines.append("colour: blue")
    bad.write_text("\n".join(lines) + "\n")
    bad.chmod(0o600)
    refused = command("config", "validate", bad, ok=False)
    said = refused.stderr + refused.stdout
    check(refused.returncode == 1, f"exit status {refused.returncode} for a bad file")
    for wanted, why in ((f"{address + 1}:", "the line of the bad address"), (f"{len(lines)}:", "the line of the unknown key"),
                        ("99999", "the bad port"), ("colour", "the unknown key"), ("bad.yaml", "the file")):
        check(wanted in said, f"{why} is not in: {said!r}")
    started = command("run", "--config", bad, ok=False)
    check(started.returncode == 1, f"run with a bad file: {started.returncode}")
    missing = command("run", "--config", pair.a.directory / "absent.yaml", ok=False)
    check(missing.returncode == 1 and "absent.yaml" in missing.stderr + missing.stdout, "a missing file is not named")
    duplicate = pair.a.directory / "twice.yaml"
    duplicate.write_text(good + "  - name: " + each.name + good.split("  - name: " + each.name)[1])
    refused = command("config", "validate", duplicate, ok=False)
    check(refused.returncode == 1 and each.name in refused.stderr + refused.stdout,
          f"a duplicate tunnel was accepted: {refused.stderr!r}")
    return "two mistakes named with their lines in one go"


@test(cells=("clean",))
def status_and_ping(run):
    """status, status --json and ping over the control socket; status 3 when nothing runs."""
    each = tunnel(run)
    with Pair(run.lab, run.directory / "dx", [each]) as pair, Server(run.lab, "b", target_port(each), echo):
        with pair.connect(each) as client:
            check(echo_works(client), "no echo")
            status = pair.a.wait_control()
            check(status.get("schema") == 1, f"no schema 1 in status: {str(status)[:300]}")
            text = command("status", "--control", pair.a.control).stdout
            for word in ("cloud-1", each.name):
                check(word in text, f"status does not mention {word}: {text!r}")
            said = command("ping", "cloud-1", "--control", pair.a.control, seconds=30).stdout
            check("cloud-1" in said and "ms" in said, f"ping said {said!r}")
            stranger = command("ping", "nobody", "--control", pair.a.control, ok=False)
            check(stranger.returncode in (1, 2), f"ping of an unknown peer: exit status {stranger.returncode}")
            mode = stat.S_IMODE(pair.a.control.stat().st_mode)
            check(mode & 0o007 == 0, f"the control socket is open to everyone: mode {mode:o}")
        control = pair.a.control
    gone = command("status", "--control", control, ok=False)
    check(gone.returncode == 3, f"status with nothing running: exit status {gone.returncode}, not 3")
    return said.strip().splitlines()[-1]


@test(cells=("clean",))
def audit_records(run):
    """`dxgateway audit` at both gateways: a connection that ended well, one that was reset, one that was refused."""
    each, refused = tunnel(run, "echo"), tunnel(run, "nobody")
    with Pair(run.lab, run.directory / "dx", [each, refused]) as pair, Server(run.lab, "b", target_port(each), echo_until_end):
        with pair.connect(each) as client:
            check(echo_works(client), "no echo")
            client.shutdown(socket.SHUT_WR)
            check(client.recv(1) == b"", "no FIN came back")
        with pair.connect(each) as client:
            check(echo_works(client), "no echo")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with pair.connect(refused) as client:
            try:
                client.recv(1)
            except ConnectionResetError:
                pass

        def records(gateway, name):
            said = command("audit", name, "--json", "--control", gateway.control).stdout
            return [(each["end"], each["bytes_to_target"]) for each in json.loads(said)["records"]]
        for gateway in (pair.a, pair.b):
            wait_until(lambda: records(gateway, "echo") == [("closed", 14), ("reset_by_client", 14)],
                       f"two records of {gateway.name}", 60.0)
            wait_until(lambda: [end for end, _ in records(gateway, "nobody")] == ["refused"], "a refusal", 60.0)
        text = command("audit", "--control", pair.b.control).stdout
        check("Connection refused" in text and "reset_by_client" in text, f"audit said {text!r}")
    return "closed, reset and refused, at both gateways"


@test(cells=("clean",))
def demo_verb(run):
    """`dxgateway demo` shows itself on an empty host, and leaves nothing behind."""
    home = run.directory / "home"
    home.mkdir(mode=0o700)
    said = run.lab.run("a", ["env", f"HOME={home}", f"TMPDIR={home}", binary(), "demo"], seconds=120).stdout
    check(not list(home.iterdir()), f"it left {[path.name for path in home.iterdir()]}")
    return said.strip().splitlines()[-1]


@test(cells=("clean",))
def port_in_use(run):
    """A UDP or TCP port that something else has is named."""
    each = tunnel(run)
    pair = Pair(run.lab, run.directory / "dx", [each], start=False)
    with pair:
        with run.lab.socket("a", socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("0.0.0.0", PORTS["a"]))
            pair.a.start()
            status = pair.a.process.wait(20)
            said = pair.a.process.output()
            pair.a.process.expected_dead = True
            check(status == 1 and str(PORTS["a"]) in said, f"UDP port in use: exit status {status}, said {said[-300:]!r}")
        with run.lab.listen("a", each.port):
            pair.b.start()
            pair.a.start()
            status = pair.a.process.wait(20)
            said = pair.a.process.output()
            pair.a.process.expected_dead = True
            check(status == 1 and str(each.port) in said, f"TCP port in use: exit status {status}, said {said[-300:]!r}")
    return "UDP and TCP ports named"
