"""Answers of running programs against the schemas of their OpenAPI documents: every operation, and what it says when it refuses."""

import http.client
import json
import re
import socket

import jsonschema

from harness.data import Server, echo, echo_works
from harness.gateway import binary, command
from harness.lab import ROOT, check, wait_until
from harness.runner import test

from . import MATCHD


class Strict:
    """An OpenAPI document, taken at its word: a key that it does not name is a mistake here, though programs must bear it."""

    def __init__(self, file):
        self.document = json.loads((ROOT / "docs" / file).read_text())
        self.called = set()
        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
            if "properties" in schema:
                schema["additionalProperties"] = False
        self.resolver = jsonschema.RefResolver("", self.document)

    def operations(self):
        return {(method.upper(), path) for path, item in self.document["paths"].items() for method in item}

    def find(self, method, path):
        """The operation that a request is for: its place in the document, and what it says."""
        for template, item in self.document["paths"].items():
            pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template))
            if re.fullmatch(pattern, path.split("?")[0]) and method.lower() in item:
                return template, item[method.lower()]
        check(False, f"{method} {path} is not in the document")

    def judge(self, value, schema, what):
        problems = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
                    for error in jsonschema.Draft202012Validator(schema, resolver=self.resolver).iter_errors(value)]
        check(not problems, f"{what}: {problems[0][:400] if problems else ''}")
        # Times are what they say they are.
        for key, each in leaves(value):
            if key in ("time", "since", "start", "started", "expires", "last_seen", "last_change") and isinstance(each, str):
                check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each), f"{what}: {key} is {each!r}")


def leaves(value, key=None):
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, key)
    else:
        yield key, value


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, seconds=60.0):
        super().__init__("localhost", timeout=seconds)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Control:
    """A program's control socket; each answer is judged by the document."""

    def __init__(self, path, strict):
        self.path, self.strict = path, strict

    def __call__(self, method, path, body=None, expect=200):
        template, operation = self.strict.find(method, path)
        if body is not None and expect != 400:
            self.strict.judge(body, operation["requestBody"]["content"]["application/json"]["schema"], f"body of {method} {template}")
        client = UnixConnection(self.path)
        client.request(method, path, None if body is None else json.dumps(body))
        answer = client.getresponse()
        text = answer.read()
        check(answer.status == expect, f"{method} {path} answered {answer.status}: {text[:300]}")
        check(answer.headers["Content-Type"].startswith("application/json"), f"{method} {path}: {answer.headers['Content-Type']}")
        said = operation["responses"]["200"] if expect == 200 else self.strict.document["components"]["responses"]["Error"]
        value = json.loads(text)
        self.strict.judge(value, said["content"]["application/json"]["schema"], f"{method} {path} ({expect})")
        if expect == 200:
            self.strict.called.add((method, template))
        return value


def group(run):
    """A group of two with a matchmaker of their own; the control of the first one, which is an admin, and its state."""
    lab, directory = run.lab, run.directory
    states = {host: directory / f"state-{host}" for host in "ab"}
    lab.run("a", [binary(), "init", "--group", "plant", "--name", "hq", "--state", states["a"]])
    settings = directory / "hq.yaml"
    settings.write_text('serve_match: true\nforward: true\naudit: {size: 1MiB}\n')

    def start(host, *options):
        process = lab.start(host, [binary(), "run", "--state", states[host], *options], f"gateway {host}", directory / f"{host}.log")
        wait_until(lambda: command("status", "--state", states[host], ok=False).returncode == 0, f"{host} runs", 60.0, alive=[process])
        return process
    start("a", "--config", settings)
    return states, start


@test(cells=("clean",), seconds=600.0)
def gateway_keeps_its_document(run):
    """Every operation of docs/openapi.json is asked of a running gateway, and each answer is what its schema says"""
    strict = Strict("openapi.json")
    states, start = group(run)
    ask = Control(states["a"] / "control.sock", strict)
    served = ask("GET", "/v1/openapi.json")
    check(served == json.loads((ROOT / "docs/openapi.json").read_text()), "another document than docs/openapi.json")
    # Who is in it.
    made = ask("POST", "/v1/invites", {"name": "edge-b", "labels": ["site=north"], "ttl_s": 3600})["invitations"][0]
    token = run.directory / "token"
    token.write_text(made["token"])
    run.lab.run("b", [binary(), "join", f"@{token}", "--state", states["b"]])
    start("b")
    wait_until(lambda: any(peer["state"] == "connected" for peer in ask("GET", "/v1/status")["peers"]), "the two are connected", 60.0)
    check(ask("GET", "/v1/invites")["invitations"][0]["used_by"], "the invitation was used")
    spare = ask("POST", "/v1/invites", {"count": 2})["invitations"]
    check(ask("DELETE", f"/v1/invites/{spare[0]['id']}")["revoked"] == 1, "one was revoked")
    check(ask("DELETE", "/v1/invites")["revoked"] >= 1, "the others were revoked")
    check(len(ask("GET", "/v1/members")["members"]) == 2, "two members")
    ask("PATCH", "/v1/members/edge-b", {"labels": ["rack=7"], "remove_labels": ["site"]})
    ask("PATCH", "/v1/members/nobody", {"name": "x"}, expect=404)
    # Tunnels, and what goes through.
    port, target = run.port(), run.port()
    tunnel = {"name": "web", "origins": [f"hq@127.0.0.1:{port}"], "destinations": [f"edge-b@127.0.0.1:{target}"], "class": "interactive",
              "share": 32, "rate": 80_000_000, "idle_timeout_s": 3600, "health": "tcp", "health_interval_ms": 500, "confirm_s": 600}
    ask("PUT", "/v1/tunnels", tunnel)
    check("holds" in ask("GET", "/v1/tunnels")["tunnels"][0]["trial"], "it is to be confirmed")
    ask("POST", "/v1/config/confirm", {"tunnel": "web"})
    ask("POST", "/v1/config/confirm", {}, expect=409)
    with Server(run.lab, "b", target, echo):
        wait_until(lambda: run.lab.listening("a", port), "the tunnel listens", 60.0)
        with run.lab.connect("a", port) as connection:
            echo_works(connection)
        check(ask("GET", "/v1/tunnels/web")["here"][0]["destinations"], "its destinations")
        ask("GET", "/v1/tunnels/none", expect=404)
        connect(run, states["a"] / "control.sock", strict)
        ask("POST", "/v1/tunnels/web/failback")
        ask("POST", "/v1/tunnels/none/failback", expect=404)
        check(len(ask("POST", "/v1/ping", {"peer": "edge-b", "count": 2})["rtt_us"]) == 2, "two answers")
        ask("POST", "/v1/ping", {"peer": "nobody"}, expect=404)
        ask("POST", "/v1/ping", {"peer": "edge-b", "count": 101}, expect=400)
        rehearse(ask)
    wait_until(lambda: ask("GET", "/v1/audit?tunnel=web&limit=10")["records"], "an audit record", 60.0)
    ask("GET", "/v1/audit?limit=0", expect=400)
    ask("POST", "/v1/tunnels/web/disable")
    revision = ask("POST", "/v1/tunnels/web/enable")["revision"]
    # Its stream is judged in events.py; here that it is one.
    stream = UnixConnection(states["a"] / "control.sock")
    stream.request("GET", "/v1/events?follow=false")
    check(stream.getresponse().headers["Content-Type"].startswith("text/event-stream"), "an event stream")
    strict.called.add(("GET", "/v1/events"))
    # Its text is judged in trace.py; here how it refuses, and that it is what it says.
    ask("GET", "/v1/peers/nobody/trace", expect=404)
    ask("GET", "/v1/peers/edge-b/trace?seconds=0", expect=400)
    traced = UnixConnection(states["a"] / "control.sock")
    traced.request("GET", "/v1/peers/edge-b/trace?seconds=1")
    answer = traced.getresponse()
    check(answer.headers["Content-Type"] == "application/qlog+json-seq" and answer.read().startswith(b"\x1e{"), "a trace")
    strict.called.add(("GET", "/v1/peers/{peer}/trace"))
    # What was agreed on.
    check(len(ask("GET", "/v1/config")["configuration"]["tunnels"]) == 1, "one tunnel")
    check(ask("GET", "/v1/config/export")["records"], "signed records")
    check(ask("GET", "/v1/config/history?limit=3")["history"][0]["in_force"], "the newest holds")
    ask("PATCH", "/v1/config/match", {"add": ["self"]}, expect=200)
    ask("POST", "/v1/config/match-key")
    check(ask("GET", "/v1/config/match")["match"]["servers"], "a matchmaker")
    wait_until(lambda: any(each["state"] == "registered" for each in ask("GET", "/v1/status")["match"]["matchmakers"]), "it is registered", 60.0)
    ask("GET", "/v1/netcheck")
    ask("GET", "/v1/explain/edge-b")
    ask("GET", "/v1/explain/nobody", expect=404)
    check(ask("POST", "/v1/log", {"level": "debug", "seconds": 3600})["seconds_left"] > 3500, "for an hour")
    check(ask("GET", "/v1/log")["level"] == "debug", "it logs more")
    ask("POST", "/v1/log", {"level": "loud"}, expect=400)
    check("seconds_left" not in ask("POST", "/v1/log", {"level": "info"}), "it stays")
    check(ask("POST", "/v1/drain", {"drain": True})["open_connections"] == 0, "nothing is open")
    check(ask("GET", "/v1/status")["draining"], "it drains")
    ask("POST", "/v1/drain", {"drain": False})
    # Tests/Cli/restart does it, and looks at the answer; here the process would be another one then.
    ask("POST", "/v1/restart", {"drain_seconds": 90_000}, expect=400)
    strict.called.add(("POST", "/v1/restart"))
    ask("DELETE", "/v1/tunnels/web")
    ask("POST", "/v1/config/rollback", {"revision": revision}, expect=200)
    ask("POST", "/v1/config/checkpoint")
    ask("POST", "/v1/members/edge-b/cut")
    ask("DELETE", "/v1/members/edge-b")
    left = strict.operations() - strict.called
    check(not left, f"never asked: {sorted(left)}")
    return f"{len(strict.called)} operations"


def connect(run, path, strict):
    """A connection through the control socket itself, whose bytes are no JSON."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(60.0)
        made.connect(str(path))
        made.sendall(b"POST /v1/tunnels/web/connect HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        got = b""
        while b"hello" not in got:
            part = made.recv(65536)
            check(part, f"the connection ended with {got!r}")
            got += part
        check(got.startswith(b"HTTP/1.1 200 ") and b"application/octet-stream" in got, f"{got[:200]!r}")
    strict.called.add(("POST", "/v1/tunnels/{name}/connect"))


def rehearse(ask):
    check("rehearsal" not in ask("GET", "/v1/rehearse"), "a rehearsal before the first one")
    ask("POST", "/v1/rehearse", {"peer": "edge-b", "seconds": 5, "dry_run": True})
    ask("POST", "/v1/rehearse", {"peer": "edge-b", "seconds": 600}, expect=400)
    ask("POST", "/v1/rehearse", {"peer": "edge-b", "seconds": 50, "force": True})
    ask("GET", "/v1/rehearse")
    check(ask("DELETE", "/v1/rehearse")["stopped"], "it was stopped")
    wait_until(lambda: ask("GET", "/v1/rehearse")["rehearsal"]["phase"] == "over", "it is over", 120.0)
    wait_until(lambda: ask("POST", "/v1/ping", {"peer": "edge-b"})["rtt_us"], "edge-b answers again", 60.0)


@test(cells=("clean",))
def matchmaker_keeps_its_document(run):
    """The same of a matchmaker and docs/openapi-matchd.json"""
    strict = Strict("openapi-matchd.json")
    state = run.directory / "matchd"
    process = run.lab.start("b", [MATCHD, "run", "--open", "--listen", "192.0.2.2:3478", "--alternate", ":3479", "--state", state,
                                  "--drain-seconds", "0"], "dxmatchd", run.directory / "matchd.log")
    path = state / "control.sock"
    wait_until(path.exists, "its control socket", 60.0, alive=[process])
    ask = Control(path, strict)
    check(ask("GET", "/v1/openapi.json") == json.loads((ROOT / "docs/openapi-matchd.json").read_text()), "another document")
    states, _ = group(run)
    pin = ask("GET", "/v1/status")["pin"]
    Control(states["a"] / "control.sock", Strict("openapi.json"))("PATCH", "/v1/config/match", {"add": [f"192.0.2.2:3478#{pin}"]})
    wait_until(lambda: ask("GET", "/v1/status")["registrations"] == 1, "a gateway is registered", 60.0, alive=[process])
    ask("GET", "/v1/audit/nonsense", expect=400)
    check(ask("GET", f"/v1/audit/{'0' * 32}")["registrations"] == [], "nobody is under a tag that nobody has")
    left = strict.operations() - strict.called
    check(not left, f"never asked: {sorted(left)}")
    return f"{len(strict.called)} operations"
