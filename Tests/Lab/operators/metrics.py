"""The pages of both programs as Prometheus sees them, and the examples that are made for it."""

import http.client
import json
import re
import shutil
import subprocess
import urllib.parse

from harness.data import Server, echo, echo_works
from harness.gateway import Pair, Tunnel
from harness.lab import ROOT, check, wait_until
from harness.runner import test

from . import MATCHD

GATEWAY, MATCHMAKER, PROMETHEUS = 9478, 9479, 9490
EXAMPLES = ROOT / "Examples/monitoring"
OPEN_METRICS = "application/openmetrics-text"
# Metrics that are there only sometimes, of those that docs/metrics.md lists: with a shared registry, and with a list of groups.
SOMETIMES = re.compile(r"dx_match_registry_(?!bytes)|dx_match_served_match_keys")


def page(lab, host, port, accept=None, path="/metrics", name=None):
    """What a collector on `host` gets: status, type, text."""
    with lab.connect(host, port) as connection:
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.sock = connection
        client.request("GET", path, headers={key: value for key, value in (("Accept", accept), ("Host", name)) if value})
        answer = client.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


def sample(text, name, **labels):
    """The value of the one sample of this name that has these labels."""
    found = []
    for line in text.splitlines():
        matched = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if matched and matched[1] == name:
            own = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', matched[2] or ""))
            if labels.items() <= own.items():
                found.append(float(matched[3]))
    check(len(found) == 1, f"{name} {labels} is there {len(found)} times")
    return found[0]


def families(text):
    """The names of all metrics of a page in the older format, which calls them as docs/metrics.md does."""
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}


def listed(prefix):
    """The names that docs/metrics.md lists."""
    text = (ROOT / "docs/metrics.md").read_text()
    return set(re.findall(rf"^\| `({prefix}\w+)`", text, re.MULTILINE))


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"promtool {' '.join(map(str, arguments))}: {(done.stdout + done.stderr).strip()[-800:]}")
    return done.stdout + done.stderr


def judge(lab, host, port, prefix):
    """Both formats of a page: well-formed for promtool, of one content, and what docs/metrics.md lists; returns the older one."""
    status, kind, new = page(lab, host, port, OPEN_METRICS)
    check(status == 200 and kind.startswith(OPEN_METRICS + "; version=1.0.0"), f"{status} {kind}")
    check(new.endswith("\n# EOF\n") and new.count("# EOF") == 1, "the page has no end")
    status, kind, old = page(lab, host, port, "text/plain")
    check(status == 200 and kind.startswith("text/plain; version=0.0.4"), f"{status} {kind}")
    said = promtool("check", "metrics", text=old)
    check(not said.strip(), f"promtool check metrics: {said.strip()}")
    series = [{line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")} for text in (new, old)]
    check(series[0] == series[1], f"the formats differ: {sorted(series[0] ^ series[1])[:5]}")
    unlisted = families(old) - listed(prefix) - listed("process_")
    check(not unlisted, f"not in docs/metrics.md: {sorted(unlisted)}")
    # A gateway has a dashboard there (dashboard.py).
    check(page(lab, host, port, path="/")[0] == (200 if port == GATEWAY else 404), "what is beside the page")
    check(page(lab, host, port, path="/other")[0] == 404, "there is another page beside the page")
    # A name that somebody had lead to the loopback, for a browser to come by.
    check(page(lab, host, port, name="page.example")[0] == 421, "a page for whoever calls this host by another name")
    check(page(lab, host, port, name=f"localhost:{port}")[0] == 200, "no page for localhost")
    return old


class Matchmaker:
    """A dxmatchd on host b that serves everybody, with its page."""

    def __init__(self, run):
        state = run.directory / "matchd"
        self.process = run.lab.start(
            "b", [MATCHD, "run", "--open", "--listen", "192.0.2.2:3478", "--alternate", ":3479", "--state", state,
                  "--metrics", f"127.0.0.1:{MATCHMAKER}", "--drain-seconds", "0"], "dxmatchd", run.directory / "matchd.log")
        wait_until(lambda: run.lab.listening("b", MATCHMAKER), "the matchmaker's page", 60.0, alive=[self.process])


@test(cells=("clean",))
def examples_hold(run):
    """promtool takes the rules and the configuration, the rules pass their own tests, and the dashboard is JSON"""
    rules = promtool("check", "rules", EXAMPLES / "dx-alerts.yml")
    promtool("check", "config", EXAMPLES / "prometheus.yml")
    promtool("test", "rules", EXAMPLES / "dx-alerts-test.yml")
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    check(len(queries) > 20 and len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]), "panels")
    return f"{re.search(r'([0-9]+) rules found', rules)[1]} rules, {len(queries)} queries"


@test(cells=("clean",))
def pages_are_well_formed(run):
    """The pages of a gateway and a matchmaker pass promtool's checks in both formats, and are what docs/metrics.md lists"""
    port = run.port()
    tunnels = [Tunnel("web", port, run.port(), options={"rate": "80M"}), Tunnel("dns", run.port(), run.port(), udp=True),
               Tunnel("closed", run.port(), run.port(), options={"allow": '["10.9.9.9/32"]'})]
    Matchmaker(run)
    # The second gateway of the network has a page of its own: its host has another loopback.
    with Pair(run.lab, run.directory / "pair", tunnels) as pair, Server(run.lab, "b", int(tunnels[0].target.split(":")[1]), echo):
        with pair.connect(tunnels[0]) as connection:
            echo_works(connection)
        try:
            with pair.connect(tunnels[2]) as connection:
                connection.recv(1)
        except OSError:
            pass
        pair.wait_idle()
        text = judge(run.lab, "a", GATEWAY, "dx_gateway_")
        there = judge(run.lab, "b", GATEWAY, "dx_gateway_")
        match = judge(run.lab, "b", MATCHMAKER, "dx_match_")
        missing = {name for name in listed("dx_match_") - families(match) if not SOMETIMES.match(name)}
        check(not missing, f"not exposed: {sorted(missing)}")
        peer = pair.b.name
        for name, labels, expected in [
            ("dx_gateway_healthy", {}, 1), ("dx_gateway_peers", {"state": "connected"}, 1),
            ("dx_gateway_peer_connected", {"peer": peer}, 1), ("dx_gateway_handshakes_total", {"result": "established"}, 1),
            ("dx_gateway_tunnel_connections_total", {"tunnel": "web"}, 1),
            ("dx_gateway_tunnel_refused_connections_total", {"tunnel": "closed", "reason": "not_allowed"}, 1),
            ("dx_gateway_tunnel_destination_ready", {"tunnel": "web", "destination": peer}, 1),
            ("dx_gateway_paths", {"path_kind": "direct", "state": "used"}, 1),
        ]:
            found = sample(text, name, **labels)
            check(found == expected, f"{name} {labels} is {found}, not {expected}")
        check(sample(text, "dx_gateway_peer_sent_packets_total", peer=peer, path_kind="direct") > 3, "packets sent")
        check(0 < sample(text, "dx_gateway_peer_round_trip_seconds", peer=peer) < 60, "round trip")
        check(sample(there, "dx_gateway_tunnel_target_connect_seconds_count", tunnel="web") == 1, "one connection to the target")
        check(sample(there, "dx_gateway_tunnel_bytes_total", tunnel="web", direction="to_target") > 0, "bytes to the target")
        return f"{len(families(text))} metrics of a gateway, {len(families(match))} of a matchmaker"


@test(cells=("clean",))
def counts_outlast_channels(run):
    """What counters of a peer have reached stays when its gateway is killed and comes back"""
    tunnel = Tunnel("web", run.port(), run.port())
    with Pair(run.lab, run.directory / "pair", [tunnel]) as pair, Server(run.lab, "b", int(tunnel.target.split(":")[1]), echo):
        with pair.connect(tunnel) as connection:
            echo_works(connection)
        names = ("dx_gateway_peer_sent_packets_total", "dx_gateway_peer_sent_bytes_total", "dx_gateway_peer_stream_sent_bytes_total")

        def counts():
            text = page(run.lab, "a", GATEWAY, "text/plain")[2]
            return [sample(text, name, peer=pair.b.name) for name in names]
        before = counts()
        pair.b.kill9()
        pair.b.start()
        pair.wait_working(tunnel, echo_works)
        # Pages within a second of one another are of one moment.
        wait_until(lambda: all(new > old for old, new in zip(before, counts())), f"more than {before}", 60.0, alive=[pair.a.process])
        return f"{before[0]:.0f} packets before"


@test(cells=("clean",))
def settings(run):
    """`metrics: false` serves nothing, an address is served where it says, and one that is taken is waited for"""
    place = run.port()
    tunnel = Tunnel("web", run.port(), run.port())
    with Pair(run.lab, run.directory / "off", [tunnel], extra="metrics: false\n"):
        check(not run.lab.listening("a", GATEWAY), "a page though it is off")
    taken = run.lab.listen("a", place)
    with Pair(run.lab, run.directory / "on", [tunnel], extra=f'metrics: "127.0.0.1:{place}"\n') as pair:
        wait_until(lambda: "no metrics; it is tried again" in pair.a.process.output(), "it says so", 60.0, alive=[pair.a.process])
        taken.close()
        wait_until(lambda: run.lab.listening("a", place), "the page is there", 60.0, alive=[pair.a.process])
        check(sample(page(run.lab, "a", place)[2], "dx_gateway_healthy") == 1, "healthy")
        check(not run.lab.listening("a", GATEWAY), "a page at the usual address, too")
    return "off, elsewhere, later"


@test(cells=("clean",))
def prometheus_collects(run):
    """A real Prometheus collects both pages as OpenMetrics, keeps what they say, and raises the example's alerts"""
    tunnel = Tunnel("web", run.port(), run.port())
    Matchmaker(run)
    with Pair(run.lab, run.directory / "pair", [tunnel]) as pair, Server(run.lab, "b", int(tunnel.target.split(":")[1]), echo):
        settings = run.directory / "prometheus.yml"
        shutil.copy(EXAMPLES / "dx-alerts.yml", run.directory)
        settings.write_text((EXAMPLES / "prometheus.yml").read_text().replace("15s", "1s"))
        server = run.lab.start(
            "b", ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={run.directory}/tsdb",
                  f"--web.listen-address=127.0.0.1:{PROMETHEUS}"], "prometheus", run.directory / "prometheus.log")

        def ask(path, **query):
            with run.lab.connect("b", PROMETHEUS) as connection:
                client = http.client.HTTPConnection("127.0.0.1", PROMETHEUS)
                client.sock = connection
                client.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
                return json.loads(client.getresponse().read())["data"]

        def value(query):
            result = ask("/api/v1/query", query=query)["result"]
            return float(result[0]["value"][1]) if result else None
        wait_until(lambda: run.lab.listening("b", PROMETHEUS) and page(run.lab, "b", PROMETHEUS, path="/-/ready")[0] == 200,
                   "Prometheus is ready", 60.0, alive=[server])
        wait_until(lambda: value('sum(up)') == 2, "both pages are collected", 60.0, alive=[server])
        # One of them may take longer than the second it is given here; then the next look is a good one again.
        wait_until(lambda: all(target["lastError"] == "" for target in ask("/api/v1/targets")["activeTargets"]),
                   "both pages are collected without an error", 60.0, alive=[server])
        with pair.connect(tunnel) as connection:
            echo_works(connection)
        wait_until(lambda: value('dx_gateway_tunnel_connections_total{tunnel="web",role="destination"}') == 1,
                   "the connection is counted", 60.0, alive=[server])
        wait_until(lambda: value("dx_match_registrations") == 0, "the matchmaker has nobody", 60.0, alive=[server])
        # OpenMetrics is what was asked for: its metadata has units.
        known = ask("/api/v1/targets/metadata", metric="dx_gateway_tunnel_target_connect_seconds")
        check(known and known[0]["type"] == "histogram" and known[0]["unit"] == "seconds", f"metadata: {known}")
        wait_until(lambda: value('dx_gateway_peer_connected') == 1, "the peer is connected", 60.0, alive=[server])
        pair.a.kill9()
        wait_until(lambda: value('ALERTS{alertname="DXPeerDown"}') == 1, "an alert begins", 120.0, alive=[server])
        pair.a.start()
        pair.wait_working(tunnel, echo_works)
        return f"{len(ask('/api/v1/label/__name__/values'))} names of series"
