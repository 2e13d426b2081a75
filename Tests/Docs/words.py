"""Whether a command printed what a page shows.

Blanks count as one. What differs from run to run stands for its kind: times, durations, sizes, gateway ids, hexadecimal ids,
pins and keys, versions, ports that the
system chose, MTUs. In a line `…` is any text; alone in a line it is any number of lines. All else is compared letter by letter.
"""

from __future__ import annotations

import re

KINDS = [
    (r"\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?Z", r"\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?Z"),             # a time
    (r"\d+(?:\.\d+)? (?:ms|s|min|h|us|d)\b(?: \d+ (?:s|min|h)\b)?", r"\d+(?:\.\d+)? (?:ms|s|min|h|us|d)(?: \d+ (?:s|min|h))?"),
    (r"\d+(?:\.\d+)? (?:B|KiB|MiB|GiB)\b", r"\d+(?:\.\d+)? (?:B|KiB|MiB|GiB)"),
    (r"\b(?=[a-z2-7]*[2-7])(?=[a-z2-7]*[a-z])[a-z2-7]{52}\b", r"[a-z2-7]{52}"),
    (r"\b(?=[a-z2-7]*[2-7])(?=[a-z2-7]*[a-z])[a-z2-7]{12}\b", r"[a-z2-7]{12}"),
    (r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{16}\b", r"[0-9a-f]{16}"),
    (r"[A-Za-z0-9_/+-]{43,44}=?(?![A-Za-z0-9])", r"[A-Za-z0-9_/+-]{43,44}=?"),                # a key in base 64
    (r"(?<![\d.])\d+\.\d+\.\d+(?:-[a-z0-9.]+)?(?![\d.])", r"\d+\.\d+(?:\.\d+)?\S*"),          # a version
    (r"(?<=[\d\]]):(?:3[3-9]\d{3}|[45]\d{4}|6[0-5]\d{3})\b", r":\d{5}"),                      # a port that the system chose
    (r"\bMTU \d{4}\b", r"MTU \d{4}"),
    (r"…", r".*"),
    (r"\s+", r"\s+"),
]
TOKEN = re.compile("|".join(f"(?P<k{number}>{pattern})" for number, (pattern, _) in enumerate(KINDS)))


def line_pattern(line):
    """The regular expression that a printed line has to match."""
    parts, last = [], 0
    line = line.strip()
    for match in TOKEN.finditer(line):
        parts.append(re.escape(line[last:match.start()]))
        parts.append(KINDS[int(match.lastgroup[1:])][1])
        last = match.end()
    parts.append(re.escape(line[last:]))
    return "".join(parts)


def matches(expected, printed):
    """None when `printed` is what `expected`, the lines of a page, show; else what differs, in words."""
    text = [line.strip() for line in printed.split("\n")]
    while text and not text[-1]:
        text.pop()
    pattern = ""
    for line in expected:
        pattern += r"(?:[^\n]*\n)*?" if line.strip() == "…" else line_pattern(line) + r"\n"
    if re.fullmatch(pattern, "".join(line + "\n" for line in text)):
        return None
    for line in expected:
        if line.strip() != "…" and not any(re.fullmatch(line_pattern(line), each) for each in text):
            return f"no line is as the page's {line.strip()!r}"
    return "the lines come in another order, or there are more"
