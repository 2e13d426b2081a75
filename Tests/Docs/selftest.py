"""That the runner notices what it is there for: pages with commands that nothing runs, and outputs that are other than shown."""

from __future__ import annotations

import pathlib
import tempfile

import manifests
import words
from pages import Page, PageError

# Pages that must be refused, and a word of the reason.
REFUSED = {
    "```sh\ndxgateway status\n```": "neither host=",
    "```text\n$ dxgateway status\n```": "a command that nothing runs",
    "    sudo dxgateway status\n": "an indented command",
    "```sh host=hq unless\ntrue\n```": "nobody knows",
    "```sh host=hq\necho 'open\n```": "is not whole",
    "```sh host=hq\noutput\n$ true\n```": "before the first command",
    "```yaml\na: 1\n```": "neither host=",
    "```sh host=hq\ntrue\n": "has no end",
    "<!-- guide: forget hq -->": "no directive",
}
# What a page shows, what was printed, and whether that is the same.
COMPARED = [
    (["up 2 s, 1.00 KiB", "at 2026-11-27T08:05:02.070Z"], "up 1 h 3 min,  17 B\nat 2026-11-28T00:00:00Z\n", True),
    (["id 2fk25qts5o3z"], "id lgbvlwbm4afi\n", True),
    (["revision 6"], "revision 7\n", False),
    (["a"], "a\nb\n", False),
    (["a", "…"], "a\nb\nc\n", True),
    (["…", "c"], "a\nb\n", False),
    (["1.2.3.4:40123"], "1.2.3.4:51111\n", True),
    (["1.2.3.4:40123"], "1.2.3.5:40123\n", False),
    (["is healthy"], "is NOT healthy\n", False),
    ([], "anything\n", False),
]
MANIFESTS = {"iot-edge": '{"modulesContent": {"$edgeAgent": {}, "$edgeHub": {}}}', "kubernetes": "apiVersion: v1\nkind: Pod\nspec: {container: []}\n"}


def run():
    """How many mistakes it noticed. Throws `AssertionError` with the first that it did not."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "page.md"
        for text, reason in REFUSED.items():
            path.write_text(text)
            try:
                Page(path, "page")
            except PageError as problem:
                assert reason in str(problem), f"{text!r} is refused for another reason: {problem}"
            else:
                raise AssertionError(f"not refused: {text!r}")
    for expected, printed, same in COMPARED:
        found = words.matches(expected, printed)
        assert (found is None) == same, f"{expected} and {printed!r}: {found}"
    for kind, text in MANIFESTS.items():
        try:
            manifests.validate(kind, text)
        except manifests.ManifestError:
            continue
        raise AssertionError(f"not refused: {text}")
    return len(REFUSED) + len(COMPARED) + len(MANIFESTS)
