"""The table of docs/nat-traversal.md, from what a run found: each kind of network with each."""

import re

from .networks import DIRECT, GUESSED, IMPOSSIBLE, KINDS, theory

BEGIN, END = "<!-- table: Tests/Lab/run-nat matrix --table docs/nat-traversal.md -->", "<!-- end of the table -->"
WORDS = {DIRECT: "yes", GUESSED: "guess", IMPOSSIBLE: "no"}


def mark(first, second, passed, failed):
    """What stands in a cell: what was found; where it is not what theory says, FAILED; where nothing was run, a dash."""
    name = f"matrix/{first}-{second}"
    found = passed.get(name)
    if name in failed:
        return "**FAILED**"
    if found is None:
        return "–"
    way = theory(first, second).way
    if way == IMPOSSIBLE:
        return f"no ({'UDP' if 'udpblocked' in (first, second) else 'hard'}), {found['said_after_s']:.0f} s"
    text = f"{WORDS[way]}, {found['first_byte_s']:.1f} s"
    more = found.get("first_bytes_s", ())
    return text if len(more) < 2 else f"{text} ({sorted(more)[-1]:.1f})"


def rows(passed, failed):
    passed, failed = ({each["name"]: each for each in some} for some in (passed, failed))
    yield "| from \\ to | " + " | ".join(f"`{kind}`" for kind in KINDS) + " |"
    yield "| --- |" + " --- |" * len(KINDS)
    for first in KINDS:
        yield f"| `{first}` | " + " | ".join(mark(first, second, passed, failed) for second in KINDS) + " |"


def write_table(path, passed, failed):
    """Writes the table into a file, in place of the one that is there between its marks; else at its end."""
    text = path.read_text() if path.exists() else ""
    table = "\n".join([BEGIN, "", *rows(passed, failed), "", END])
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: table, text)
    else:
        text += ("\n" if text and not text.endswith("\n\n") else "") + table + "\n"
    path.write_text(text)
