"""What a running gateway leaves behind when it dies while it does what it was asked for.

Each story copies a prepared directory, runs a gateway from it that crashpoint.c watches, has it do one thing, and lets it die
before the nth call that changes a file, or just after its answer. Then the program is started as a supervisor would start it,
and must go on by itself from the old state or the new one; from the new one, if somebody was told that it is done.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from harness.lab import Failure, wait_until

DIED = 137


class Wrong(Exception):
    """What the program left behind is neither old nor new."""


class Gateway:
    """A gateway that runs from a state directory."""

    def __init__(self, place: Place, state: Path, environment: dict | None = None, may_die: bool = False):
        self.place, self.state = place, state
        with open(state.parent / (state.name + ".log"), "ab") as log:
            self.process = subprocess.Popen(
                [place.program, "run", "--state", str(state), "--config", str(place.settings)],
                env={**os.environ, **(environment or {})}, stdout=log, stderr=log)
        try:
            wait_until(lambda: self.answers() or not self.runs(), "a gateway runs", 60.0)
            if not self.runs() and not may_die:
                raise Wrong(f"the gateway does not start: {self.log()}")
        except BaseException:
            self.process.kill()
            raise

    def runs(self) -> bool:
        return self.process.poll() is None

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.state / "control.sock")) == 0

    def log(self) -> str:
        return (self.state.parent / (self.state.name + ".log")).read_text().strip()[-600:]

    def ask(self, *arguments: str) -> str:
        """A verb that must work; what it printed."""
        return self.place.verb(*arguments, "--state", str(self.state))

    def shown(self, *arguments: str) -> dict:
        return json.loads(self.ask(*arguments, "--json"))

    def members(self) -> list[str]:
        return sorted(member["name"] for member in self.shown("member", "list")["members"])

    def tunnels(self) -> dict[str, dict]:
        return {tunnel["definition"]["name"]: tunnel for tunnel in self.shown("tunnel", "list")["tunnels"]}

    def epoch(self) -> int:
        return self.shown("status")["group"]["epoch"]

    def end(self) -> None:
        self.process.terminate()
        code = self.process.wait(timeout=60)
        if code != 0:
            raise Wrong(f"a gateway ended with {code} on SIGTERM: {self.log()}")


class Place:
    """Where one case at a time is tried. It has an address of its own, so that its gateways find their ports free again."""

    def __init__(self, program: str, shim: Path, directory: Path, number: int):
        self.program, self.shim, self.directory = program, shim, directory
        self.address = f"127.0.0.{2 + number}"
        directory.mkdir(mode=0o700)
        self.settings = directory / "gateway.yaml"
        self.settings.write_text(f'listen: "{self.address}:0"\n')
        self.cases = 0

    def verb(self, *arguments: str) -> str:
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Wrong(f"{' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout

    def join(self, token: str, state: Path, name: str) -> str:
        """Nothing where the gateway joined, else why it was refused."""
        file = state.parent / (state.name + ".token")
        file.write_text(token)
        done = subprocess.run([self.program, "join", f"@{file}", "--name", name, "--state", str(state)],
                              capture_output=True, text=True, timeout=60, check=False)
        return "" if done.returncode == 0 else done.stderr.strip()

    # ---- what stories begin with, made once

    def stage(self, name: str) -> Path:
        path = self.directory / "stages" / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            making = self.directory / "stages" / f"{name}.new"
            making.mkdir(mode=0o700)
            getattr(self, f"make_{name}")(making)
            making.rename(path)
        return path

    def make_alone(self, path: Path) -> None:
        """A group that was just made; its gateway never ran."""
        self.verb("init", "--group", "plant", "--name", "hq", "--state", str(path / "hq"))

    def grown(self, path: Path, stage: str, *verbs: list[str]) -> None:
        """What another stage has, changed by commands."""
        shutil.copytree(self.stage(stage), path, dirs_exist_ok=True)
        hq = Gateway(self, path / "hq")
        for verb in verbs:
            hq.ask(*verb)
        hq.end()

    def make_two(self, path: Path) -> None:
        """A second member, which never ran: there is nobody that the first would wait for."""
        shutil.copytree(self.stage("alone"), path, dirs_exist_ok=True)
        hq = Gateway(self, path / "hq")
        if refusal := self.join(hq.ask("invite"), path / "edge", "edge"):
            raise Wrong(refusal)
        hq.end()

    def make_tunnel(self, path: Path) -> None:
        self.grown(path, "two", ADD)

    def make_changed(self, path: Path) -> None:
        self.grown(path, "tunnel", [*ADD, "--share", "9"])

    def make_trial(self, path: Path) -> None:
        self.grown(path, "two", [*ADD, "--confirm", "600s"])

    def make_pair(self, path: Path) -> None:
        """Two members that know one another, and a third that never ran."""
        shutil.copytree(self.stage("two"), path, dirs_exist_ok=True)
        hq, edge = Gateway(self, path / "hq"), Gateway(self, path / "edge")
        if refusal := self.join(hq.ask("invite"), path / "gone", "gone"):
            raise Wrong(refusal)
        wait_until(lambda: len(edge.members()) == 3, "the members know one another", 60.0)
        # Each has the other's address, at which they will find one another again.
        wait_until(lambda: all(member["addresses"] for gateway in (hq, edge)
                               for member in gateway.shown("member", "list")["members"] if member["name"] != "gone"),
                   "the members know where they are", 60.0)
        edge.end()
        hq.end()


ADD = ["tunnel", "add", "web", "--origin", "hq@127.0.0.1:0", "--destination", "edge@127.0.0.1:80"]


class Story:
    """`hq` is asked for something. What it is, and how the old state is told from the new one, is for subclasses."""

    stage = "alone"
    watched = "hq"
    fewest_calls = 4
    command: list[str] = []

    def __init__(self, place: Place, work: Path):
        self.place, self.work, self.state = place, work, work / self.watched
        shutil.copytree(place.stage(self.stage), work, dirs_exist_ok=True)
        self.gateways: list[Gateway] = []

    def start(self, name: str, environment: dict | None = None, may_die: bool = False) -> Gateway:
        gateway = Gateway(self.place, self.work / name, environment, may_die)
        self.gateways.append(gateway)
        return gateway

    def begin(self, environment: dict) -> Gateway:
        """Starts what the story needs; the gateway that dies."""
        return self.start(self.watched, environment)

    def act(self, gateway: Gateway) -> bool:
        """Has it done; whether somebody was told that it is."""
        done = subprocess.run([self.place.program, *self.command, "--state", str(self.state)],
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode == 0

    def is_new(self, gateway: Gateway) -> bool:
        """Whether a gateway that runs again has the new state, all of it; fails when it has a part."""
        raise NotImplementedError

    def again(self, gateway: Gateway) -> None:
        """From the old state the same command works."""
        gateway.ask(*self.command)

    def check_end(self, gateway: Gateway, answered: bool) -> None:
        """What else must hold in the new state."""

    def close(self) -> None:
        for gateway in self.gateways:
            if gateway.runs():
                gateway.process.kill()
                gateway.process.wait()


class Inviting(Story):
    """`invite`: a token is printed only when it is on the disk, and then works once, also at a gateway that was killed. One from
    before works too."""

    command = ["invite"]

    def begin(self, environment: dict) -> Gateway:
        gateway = super().begin(environment)
        self.earlier, self.printed = gateway.ask("invite"), ""
        return gateway

    def act(self, gateway: Gateway) -> bool:
        done = subprocess.run([self.place.program, "invite", "--state", str(self.state)],
                              capture_output=True, text=True, timeout=60, check=False)
        self.printed = done.stdout.strip()
        if (done.returncode == 0) != bool(self.printed):
            raise Wrong(f"exit status {done.returncode}, and it printed {self.printed!r}")
        return done.returncode == 0

    def is_new(self, gateway: Gateway) -> bool:
        count = len(gateway.shown("invite", "list")["invitations"])
        if count not in (1, 2):
            raise Wrong(f"{count} invitations are open")
        return count == 2

    def again(self, gateway: Gateway) -> None:
        self.printed = gateway.ask("invite")

    def check_end(self, gateway: Gateway, answered: bool) -> None:
        for number, token in enumerate(filter(None, (self.earlier, self.printed))):
            if refusal := self.place.join(token, self.work / f"first-{number}", f"first-{number}"):
                raise Wrong(f"a token that was printed does not work: {refusal}")
            if not self.place.join(token, self.work / f"second-{number}", f"second-{number}"):
                raise Wrong("a token worked twice")
        if len(gateway.members()) != 1 + sum(map(bool, (self.earlier, self.printed))):
            raise Wrong(f"the members are {gateway.members()}")


class Redeeming(Story):
    """A gateway joins, and the inviter dies meanwhile: whoever joins with that token then, one does, and no other."""

    fewest_calls = 12
    comes_first = "edge"

    def begin(self, environment: dict) -> Gateway:
        gateway = super().begin(environment)
        self.token = gateway.ask("invite")
        return gateway

    def act(self, gateway: Gateway) -> bool:
        file = self.work / "token"
        file.write_text(self.token)
        with open(self.work / "join.log", "wb") as log:
            joining = subprocess.Popen([self.place.program, "join", f"@{file}", "--name", "edge", "--state",
                                        str(self.work / "edge")], stdout=log, stderr=log)
        try:
            wait_until(lambda: joining.poll() is not None or not gateway.runs(), "it joins, or the inviter died", 60.0)
            # It was answered perhaps just before the inviter died: then it ends by itself, else it would ask for long.
            try:
                return joining.wait(timeout=1.0) == 0
            except subprocess.TimeoutExpired:
                return False
        finally:
            joining.kill()
            joining.wait()

    def is_new(self, gateway: Gateway) -> bool:
        members = gateway.members()
        if members not in (["hq"], ["edge", "hq"]):
            raise Wrong(f"the members are {members}")
        return len(members) == 2

    def again(self, gateway: Gateway) -> None:
        """Who may come now is tried at the end."""

    def check_end(self, gateway: Gateway, answered: bool) -> None:
        joined = {"edge"} if answered else set()
        for name in sorted(("edge", "other"), key=lambda name: name != self.comes_first):
            if name not in joined and not self.place.join(self.token, self.work / name, name):
                joined.add(name)
        if len(joined) != 1:
            raise Wrong(f"with one token joined {sorted(joined)}")
        if self.comes_first == "edge" and joined != {"edge"}:
            raise Wrong("the gateway that used the token could not come again")
        if gateway.members() != sorted({"hq"} | joined):
            raise Wrong(f"the members are {gateway.members()}, and {joined} joined")


class RedeemingLate(Redeeming):
    """The same, when another gateway comes with the token before the first one asks again."""

    comes_first = "other"


class Adding(Story):
    """`tunnel add`."""

    stage, command = "two", ADD

    def is_new(self, gateway: Gateway) -> bool:
        return "web" in gateway.tunnels()


class Disabling(Story):
    """`tunnel disable`."""

    stage, command = "tunnel", ["tunnel", "disable", "web"]

    def is_new(self, gateway: Gateway) -> bool:
        return not gateway.tunnels()["web"]["enabled"]


class Removing(Story):
    """`tunnel remove`."""

    stage, command = "tunnel", ["tunnel", "remove", "web"]

    def is_new(self, gateway: Gateway) -> bool:
        return "web" not in gateway.tunnels()


class Expelling(Story):
    """`member remove`: the member is out and the secret is new, or neither. A secret that no record names is of no use to anybody."""

    stage, command, fewest_calls = "two", ["member", "remove", "edge"], 8

    def is_new(self, gateway: Gateway) -> bool:
        seen = (gateway.members(), gateway.epoch())
        if seen not in ((["edge", "hq"], 1), (["hq"], 2)):
            raise Wrong(f"members and epoch in use are {seen}")
        return seen[1] == 2

    def check_end(self, gateway: Gateway, answered: bool) -> None:
        if not list(self.state.glob("epoch-2-*.key")):
            raise Wrong("the new secret is not on the disk")
        # Whoever joins now is told the secret that the group names, and learns all by it.
        if refusal := self.place.join(gateway.ask("invite"), self.work / "late", "late"):
            raise Wrong(refusal)
        late = self.start("late")
        wait_until(lambda: late.members() == ["hq", "late"], "a gateway that joined afterwards learns of the group", 60.0)
        late.end()


class RollingBack(Story):
    """`config rollback`."""

    stage = "changed"

    def __init__(self, place: Place, work: Path):
        super().__init__(place, work)
        self.command = ["config", "rollback"]

    def begin(self, environment: dict) -> Gateway:
        gateway = super().begin(environment)
        revision = gateway.shown("config", "history")["history"][1]["revision"]
        self.command = ["config", "rollback", str(revision)]
        return gateway

    def is_new(self, gateway: Gateway) -> bool:
        return gateway.tunnels()["web"]["definition"]["share"] != 9


class Confirming(Story):
    """`config confirm`. What was not confirmed before the end does not hold after it, and can be confirmed still."""

    stage, command = "trial", ["config", "confirm", "web"]

    def is_new(self, gateway: Gateway) -> bool:
        return gateway.tunnels()["web"].get("trial") is None


class Starting(Story):
    """`run` itself, from its first call to its last. It leaves nothing that grows from one crash to the next."""

    stage, fewest_calls = "two", 3

    def begin(self, environment: dict) -> Gateway:
        self.before = self.files()
        (self.work / "armed").touch()
        return self.start(self.watched, environment, may_die=True)

    def files(self) -> set[str]:
        return {file.name for file in self.state.iterdir()} - {"control.sock"}

    def act(self, gateway: Gateway) -> bool:
        return gateway.runs()

    def is_new(self, gateway: Gateway) -> bool:
        if left := self.files() - self.before:
            raise Wrong(f"{left} was left behind")
        return gateway.members() == ["edge", "hq"]


class Hearing(Story):
    """Another member hears of a change. It may forget what it heard last, and hears it again."""

    stage, watched = "pair", "edge"
    change = ["tunnel", "add", "web", "--origin", "edge@127.0.0.1:0", "--destination", "hq@127.0.0.1:80"]

    def begin(self, environment: dict) -> Gateway:
        self.hq = self.start("hq")
        gateway = self.start("edge", environment)
        wait_until(lambda: gateway.shown("status")["group"]["neighbours"] == 1, "the two have met", 60.0)
        return gateway

    def act(self, gateway: Gateway) -> bool:
        with open(self.work / "change.log", "wb") as log:
            # Its answer is of no interest here, and may wait for the one that dies.
            changing = subprocess.Popen([self.place.program, *self.change, "--state", str(self.hq.state)],
                                        stdout=log, stderr=log)
        try:
            wait_until(lambda: not gateway.runs() or self.has_heard(gateway), "the other hears of it", 60.0)
        finally:
            changing.kill()
            changing.wait()
        return False

    def has_heard(self, gateway: Gateway) -> bool:
        try:
            return self.is_new(gateway)
        except Wrong:
            return False        # it died, or has a part of it

    def is_new(self, gateway: Gateway) -> bool:
        return "web" in gateway.tunnels()

    def again(self, gateway: Gateway) -> None:
        wait_until(lambda: self.has_heard(gateway), "it hears of the change again", 60.0)


class HearingOfRemoval(Hearing):
    """The same, of a member that is out, and a new secret."""

    change, fewest_calls = ["member", "remove", "gone"], 8

    def is_new(self, gateway: Gateway) -> bool:
        return (gateway.members(), gateway.epoch()) == (["edge", "hq"], 2)

    def check_end(self, gateway: Gateway, answered: bool) -> None:
        wait_until(lambda: list(self.state.glob("epoch-2-*.key")), "the new secret is on the disk", 60.0)


STORIES = {
    "invite": Inviting, "redemption": Redeeming, "redemption_by_another": RedeemingLate, "tunnel_add": Adding,
    "tunnel_disable": Disabling, "tunnel_remove": Removing, "member_remove": Expelling, "rollback": RollingBack,
    "confirm": Confirming, "run": Starting, "change_of_another": Hearing, "removal_by_another": HearingOfRemoval,
}


def attempt(make: type[Story], place: Place, at: int | str, mode: str, deaf: bool = False) -> tuple[str, int]:
    """Lets it die at one point: which state came back, and how many calls there are where it did not die (`at` is 0)."""
    place.cases += 1
    work = place.directory / f"case-{place.cases}"
    work.mkdir(mode=0o700)
    story = make(place, work)
    environment = {"LD_PRELOAD": str(place.shim), "DX_CRASH_DIR": str(story.state), "DX_CRASH_MODE": mode,
                   "DX_CRASH_AT": "0" if at == "answer" else str(at), "DX_CRASH_ARM": str(work / "armed"),
                   "DX_CRASH_COUNT": str(work / "count"), **({"DX_CRASH_DEAF": "1"} if deaf else {})}
    try:
        gateway = story.begin(environment)
        (work / "armed").touch()
        answered = story.act(gateway)
        if gateway.runs():
            gateway.process.send_signal(signal.SIGUSR2 if at == "answer" else signal.SIGTERM)
        code = gateway.process.wait(timeout=60)
        if code != (0 if at == 0 else DIED):
            raise Wrong(f"the gateway ended with {code}: {gateway.log()}")
        if at == 0 and not answered and not isinstance(story, Hearing):
            raise Wrong(f"it fails undisturbed: {gateway.log()}")
        back = check(story, answered)
        count = int((work / "count").read_text()) if at == 0 else 0
    except Failure as failure:
        raise Wrong(str(failure)) from failure
    finally:
        story.close()
    shutil.rmtree(work)
    return back, count


def check(story: Story, answered: bool) -> str:
    """The program is started again: which state it has, after all else was looked at."""
    shown = json.loads(story.place.verb("group", "show", "--state", str(story.state), "--json"))["group"]
    if shown["refused_records"]:
        raise Wrong(f"records are damaged: {shown}")
    gateway = story.start(story.watched)
    if left := [file.name for file in story.state.iterdir() if ".new-" in file.name]:
        raise Wrong(f"{left} was left behind")
    back = "new" if story.is_new(gateway) else "old"
    if answered and back == "old":
        raise Wrong("what was answered as done is gone")
    if back == "old":
        story.again(gateway)
        if not isinstance(story, Redeeming) and not story.is_new(gateway):
            raise Wrong("the same command does not work again")
    story.check_end(gateway, answered)
    gateway.end()
    return back


def examine(make: type[Story], places: SimpleQueue, pool: ThreadPoolExecutor, mode: str, deaf: bool = False) -> str:
    """Dies at every point, just after the answer, and after a stop that went well."""

    def attempt_somewhere(at: int | str) -> tuple[str, int]:
        place = places.get()
        try:
            return attempt(make, place, at, mode, deaf)
        except Wrong as wrong:
            raise Wrong(f"at {at if at == 'answer' else f'call {at}'}: {wrong}") from wrong
        finally:
            places.put(place)

    back, count = attempt_somewhere(0)
    if back != "new":
        raise Wrong("it is not done when it is done")
    if count < make.fewest_calls:
        raise Wrong(f"only {count} calls were seen: the program is not watched")
    points = [*range(1, count + 2), "answer"]
    results = list(pool.map(lambda at: attempt_somewhere(at)[0], points))
    if results[count] != "new":
        raise Wrong("what a gateway had that was stopped in order is gone")
    seen = {state: results.count(state) for state in ("old", "new")}
    if not seen["old"] and make is not Starting:       # to which all states are one
        raise Wrong("the old state never came back: nothing was tested")
    return f"{count} points, old {seen['old']}, new {seen['new']}"
