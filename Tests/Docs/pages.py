"""Pages of the guide as steps: what is to be run where, what it has to print, which files are to be written.

In a page a fenced block says in its info string, behind the language, what the runner does with it:

    host=A[,B]   the host, or hosts, on which the block's commands are run, one after the other
    as=root      as root; otherwise as an operator who may use sudo
    until        each command is repeated until it prints what the page shows: of commands that only look
    exit=N[,M]   the last command ends with N, or M; otherwise with 0
    file=PATH    no commands: the block is the text of that file of the host, in the operator's home unless absolute
    check=KIND   the block is also a manifest that `manifests.py` validates
    shown=REASON no commands for the runner; the reasons are those of `guide.SHOWN`

In a block with lines that begin with `$ ` these are the commands, and what is below each is what it prints (`words.py` says how
the two are compared). In one without, every line is a command. A block without any of this may have no command in it.

What the test needs beyond the words stands in comments, which readers do not see:

    <!-- guide: copy HOST:PATH HOST:PATH -->    what the text asks the reader to carry from one host to another
    <!-- guide: put "TEXT" HOST COMMAND -->     TEXT, wherever it stands in later blocks, is what COMMAND prints there
    <!-- guide: put "TEXT" HOST printed COMMAND -->     or the gateway id that COMMAND printed when the page ran it
    <!-- guide: given HOST COMMAND -->          what the page takes for granted, as a web server that is there already
    <!-- guide: clean HOST -->                  no file of the host is another one than in a clean Debian
    <!-- guide: after PAGE -->                  it goes on from where PAGE ends
    <!-- guide: world NAME -->                  in hosts of its own, which nothing was installed in
    <!-- guide: begin --> ... <!-- guide: end -->   only what lies between is run (the README)
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
import subprocess

PROGRAMS = ("dxgateway", "dxmatchd", "sudo", "systemctl", "journalctl", "apt", "kubectl", "iotedge", "az", "ssh", "curl", "podman")
FENCE = re.compile(r"^(\s*)```(.*)$")
DIRECTIVE = re.compile(r"^\s*<!-- guide: (.*?) -->\s*$")
KEYS = {"host", "as", "exit", "file", "check", "shown"}
FLAGS = {"until"}


class PageError(Exception):
    """A page that the runner cannot follow; the text says where and why."""


@dataclasses.dataclass
class Command:
    text: str
    expected: list[str] | None      # None: the page shows no output


@dataclasses.dataclass
class Step:
    line: int
    kind: str                       # commands, file, shown, text, or a directive's verb
    options: dict
    body: str = ""
    commands: list[Command] = dataclasses.field(default_factory=list)
    words: list[str] = dataclasses.field(default_factory=list)

    @property
    def hosts(self):
        return [name for name in self.options.get("host", "").split(",") if name]


def complete(text):
    """Whether a shell would take this as whole commands: no quote, loop or here-document is open."""
    if text.rstrip("\n").endswith("\\"):
        return False
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stderr


def commands_of(body, where):
    """The commands of a block, each with what is shown below it."""
    lines = body.split("\n")
    transcript = any(line.startswith("$ ") for line in lines)
    found, pending, expected = [], [], None
    for line in lines:
        if pending:
            pending.append(line)
        elif transcript and line.startswith("$ "):
            pending, expected = [line[2:]], []
        elif transcript:
            if expected is None:
                raise PageError(f"{where}: output before the first command")
            expected.append(line)
            continue
        elif line.strip():
            pending = [line]
        if pending and complete("\n".join(pending) + "\n"):
            text = "\n".join(pending)
            pending = []
            if not text.lstrip().startswith("#"):
                found.append(Command(text, expected if transcript else None))
    if pending:
        raise PageError(f"{where}: a command is not whole: {pending[0]}")
    for command in found:
        while command.expected and not command.expected[-1].strip():
            command.expected.pop()
    return found


def options_of(info, where):
    language, *words = shlex.split(info) or [""]
    options = {"language": language}
    for word in words:
        key, equals, value = word.partition("=")
        if (key in KEYS and equals) or (key in FLAGS and not equals):
            options[key] = value or True
        else:
            raise PageError(f"{where}: nobody knows what {word!r} asks for")
    return options


def step_of(info, body, line, where):
    """One fenced block."""
    options = options_of(info, where)
    step = Step(line, "text", options, body)
    if "shown" in options:
        step.kind = "shown"
        step.commands = commands_of(body, where)
    elif "file" in options or "check" in options:
        step.kind = "file"
        if "file" in options and not step.hosts:
            raise PageError(f"{where}: a file of no host")
    elif step.hosts:
        step.kind = "commands"
        step.commands = commands_of(body, where)
        if not step.commands:
            raise PageError(f"{where}: no command")
    elif options["language"] in ("sh", "bash", "console", "shell", "yaml", "json", "ini"):
        raise PageError(f"{where}: the block says neither host= nor why it is only shown (shown=REASON)")
    else:
        for text in body.split("\n"):
            if re.match(rf"\s*(\$ |({'|'.join(PROGRAMS)})\s)", text):
                raise PageError(f"{where}: a command that nothing runs: {text.strip()}")
    return step


def inline_commands(text):
    """Commands in the middle of sentences: (line, words)."""
    for number, line in enumerate(text.split("\n"), 1):
        for code in re.findall(r"`([^`]+)`", line):
            if re.match(rf"({'|'.join(PROGRAMS)}) \S", code):
                yield number, code


class Page:
    """A page: its steps in order, and the commands that its sentences name."""

    def __init__(self, path: pathlib.Path, name: str):
        self.path, self.name = path, name
        self.steps: list[Step] = []
        self.after = self.world = None
        lines = path.read_text().split("\n")
        marked = any(DIRECTIVE.match(line) and DIRECTIVE.match(line)[1] == "begin" for line in lines)
        inside, prose, number = not marked, [], 0
        while number < len(lines):
            line, where = lines[number], f"{name}:{number + 1}"
            number += 1
            directive, fence = DIRECTIVE.match(line), FENCE.match(line)
            if directive:
                verb, *words = shlex.split(directive[1])
                if verb in ("begin", "end"):
                    inside = verb == "begin"
                elif verb == "after":
                    self.after = words[0]
                elif verb == "world":
                    self.world = words[0]
                elif verb in ("copy", "put", "given", "clean"):
                    self.steps.append(Step(number, verb, {}, directive[1], words=words))
                else:
                    raise PageError(f"{where}: no directive {verb!r}")
            elif fence:
                indent, info = fence[1], fence[2]
                body = []
                while number < len(lines) and lines[number].strip() != "```":
                    body.append(lines[number].removeprefix(indent))
                    number += 1
                if number == len(lines):
                    raise PageError(f"{where}: the block has no end")
                number += 1
                if inside:
                    self.steps.append(step_of(info, "\n".join(body), number, where))
                prose.extend([""] * (len(body) + 2))
                continue
            elif inside and line.startswith("    ") and not prose[-1:] == ["-"] and line.strip().startswith(
                    tuple(f"{program} " for program in PROGRAMS) + ("$ ",)):
                raise PageError(f"{where}: an indented command, which nothing runs")
            prose.append(line if inside else "")
        self.prose = "\n".join(prose)

    @property
    def hosts(self):
        named = {host for step in self.steps for host in step.hosts}
        for step in self.steps:
            if step.kind == "copy":
                named |= {word.split(":")[0] for word in step.words}
            elif step.kind in ("put", "given", "clean"):
                named.add(step.words[1 if step.kind == "put" else 0])
        return sorted(named)
