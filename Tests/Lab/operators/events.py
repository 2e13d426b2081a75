"""The event stream of a gateway, as curl and dxgateway read it."""

import json
import time

from harness.data import Server, echo, echo_works
from harness.gateway import Pair, Tunnel, binary, command
from harness.lab import check, wait_until
from harness.runner import test

from .openapi import Strict, UnixConnection


class Stream:
    """A connection that follows the events of a gateway; what it brings is judged by docs/openapi.json."""

    def __init__(self, path, query="", headers=None, seconds=60.0):
        self.client = UnixConnection(path, seconds)
        self.client.request("GET", "/v1/events" + query, headers=headers or {})
        self.answer = self.client.getresponse()
        self.schema = {"$ref": "#/components/schemas/Event"}
        self.strict = Strict("openapi.json")

    def next(self):
        """The next event; None at the end. Comments are skipped and counted."""
        fields = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                return None
            if line == "\n" and fields:
                break
            if line.startswith(":") or line == "\n":
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            check(name in ("id", "event", "data") and name not in fields, f"a line that is none: {line!r}")
            fields[name] = value
        data = json.loads(fields["data"])
        self.strict.judge(data, self.schema, f"event {fields['data']}")
        check(data["event"] == fields["event"] and data.get("id") == fields.get("id"), f"{fields}")
        return data

    def until(self, kind):
        """The events up to the first of this kind."""
        found = []
        while not found or found[-1]["event"] != kind:
            event = self.next()
            check(event is not None, f"the stream ended after {[each['event'] for each in found]}, without {kind}")
            found.append(event)
        return found

    def close(self):
        self.client.close()


def pair(run, *tunnels):
    return Pair(run.lab, run.directory / "pair", list(tunnels))


@test(cells=("clean",))
def events_tell_what_happens(run):
    """A peer that is killed and comes back, a target that goes, a drain: each is an event, for curl and for dxgateway events"""
    tunnel = Tunnel("web", run.port(), run.port())
    with pair(run, tunnel) as two, Server(run.lab, "b", int(tunnel.target.split(":")[1]), echo):
        follower = run.lab.start("a", [binary(), "events", "--follow", "--json", "--control", two.a.control], "events", run.directory / "events.log")
        stream = Stream(two.a.control)
        check(stream.answer.status == 200 and stream.answer.headers["Content-Type"].startswith("text/event-stream"), "an event stream")
        begun = stream.until("peer_up")
        check([each["event"] for each in begun] == ["peer_up"], f"{begun}")
        check(begun[0]["peer"] == two.b.name and begun[0]["path"] == "direct", f"{begun[0]}")
        there = run.lab.start("b", [binary(), "events", "--follow", "--control", two.b.control], "events-b", run.directory / "events-b.log")
        wait_until(lambda: "is connected" in there.output(), "dxgateway events listens at the other end", 60.0, alive=[there])
        two.b.kill9()
        # It ended without a word, which is not how a gateway stops.
        check(there.wait(60.0) == 3, f"dxgateway events of a gateway that was killed: {there.ending()}")
        two.b.start()
        two.wait_working(tunnel, echo_works)
        back = stream.until("peer_up")
        check("peer_down" in [each["event"] for each in back], f"{back}")
        numbers = [int(each["id"].split("-")[1]) for each in begun + back]
        check(numbers == list(range(1, len(numbers) + 1)), f"{numbers}")
        # Who comes back goes on where it was.
        again = Stream(two.a.control, headers={"Last-Event-ID": begun[0]["id"]})
        check(again.next()["id"] == back[0]["id"], "it goes on after the last one")
        again.close()
        said = command("events", "--control", two.a.control).stdout
        check(f"{two.b.name} is connected" in said and f"{two.b.name} is disconnected" in said, said)
        # Whoever has seen enough ends it, though nothing happens any more.
        once = run.lab.start("a", ["sh", "-c", f"{binary()} events --follow --control {two.a.control} | grep -m1 disconnected"], "once", run.directory / "once.log")
        check(once.wait(60.0) == 0, f"dxgateway events --follow | grep -m1: {once.ending()}")
        wait_until(lambda: follower.output().count('"event":"peer_up"') == 2, "dxgateway events saw it", 60.0, alive=[follower])
        stream.close()
        two.a.stop()
        check(follower.wait(60.0) == 0, f"dxgateway events: {follower.ending()}")
        two.a.start()
        two.wait_ready()
        # The gateway was started anew: that is said, and nothing of it is taken for the former one's.
        renewed = Stream(two.a.control, headers={"Last-Event-ID": begun[0]["id"]})
        first = renewed.next()
        check(first["event"] == "lost" and "count" not in first, f"{first}")
        check(renewed.next()["id"].split("-")[0] != begun[0]["id"].split("-")[0], "another run")
        renewed.close()
        return f"{len(numbers)} events in order"


@test(cells=("clean",))
def refusals_are_counted(run):
    """A hundred refused connections are a few events whose counts add up"""
    tunnel = Tunnel("web", run.port(), run.port(), options={"allow": '["10.9.9.9/32"]'})
    with pair(run, tunnel) as two:
        stream = Stream(two.a.control)
        for _ in range(100):
            try:
                with two.connect(tunnel) as connection:
                    connection.recv(1)
            except OSError:
                pass
        events, total = 0, 0
        # What was counted last comes with a sign of life, every 15 s.
        while total < 100:
            event = stream.until("connections_refused")[-1]
            check(event["tunnel"] == "web" and event["reason"] == "not_allowed", f"{event}")
            events, total = events + 1, total + event["count"]
        check(total == 100, f"{total} of 100")
        check(events < 20, f"{events} events")
        stream.close()
        return f"{events} events"


@test(cells=("clean",))
def listeners_are_bounded(run):
    """Eight may listen, the ninth is told so, and a stop of the gateway does not wait for any of them"""
    tunnel = Tunnel("web", run.port(), run.port())
    with pair(run, tunnel) as two:
        streams = [Stream(two.a.control) for _ in range(8)]
        check(all(stream.answer.status == 200 for stream in streams), "eight")
        refused = Stream(two.a.control)
        check(refused.answer.status == 409 and json.loads(refused.answer.read())["error"]["code"] == "conflict", "a ninth")
        check(Stream(two.a.control, "?follow=false").answer.status == 200, "what is kept")
        check(Stream(two.a.control, "?follow=maybe").answer.status == 400, "nonsense")
        check(Stream(two.a.control, headers={"Last-Event-ID": "x" * 33}).answer.status == 400, "a long id")
        streams.pop().close()
        # It is noticed at the next sign of life.
        wait_until(lambda: Stream(two.a.control).answer.status == 200, "there is room again", 60.0, alive=[two.a.process])
        began = time.monotonic()
        two.a.stop()
        for stream in streams:
            while stream.next() is not None:
                pass
        run.note(stop_s=round(time.monotonic() - began, 2))
        return "8 listeners"
