"""A milestone's table: a figure, its target, and whether it is met."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Row:
    """`most` and `least` are the target; neither is a figure without one. `command` repeats it alone."""

    title: str
    value: float | None
    unit: str = ""
    least: float | None = None
    most: float | None = None
    digits: int = 2
    note: str = ""
    command: str = ""

    @property
    def target(self) -> str:
        limit = self.least if self.least is not None else self.most
        if limit is None:
            return ""
        return f"at {'least' if self.least is not None else 'most'} {limit:,g}{self._unit}"

    @property
    def _unit(self) -> str:
        return self.unit if self.unit in ("x", "%", "") else f" {self.unit}"

    @property
    def met(self) -> bool | None:
        """None: not measured, or no target."""
        if self.value is None or not self.target:
            return None
        return self.value >= self.least if self.least is not None else self.value <= (self.most or 0.0)

    @property
    def shown(self) -> str:
        return "not measured" if self.value is None else f"{self.value:,.{self.digits}f}{self._unit}"

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "**not met**"}[self.met]


def print_rows(rows: Sequence[Row]) -> None:
    print("\n| figure | measured | target | | |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.title} | {row.shown} | {row.target} | {row.verdict} | {row.note} |")
    judged = [row for row in rows if row.met is not None]
    missing = [row for row in rows if row.value is None]
    counts = [f"{sum(bool(row.met) for row in judged)} of {len(judged)} met"] if judged else []
    counts += [f"{len(missing)} not measured"] if missing else []
    if counts:
        print(f"\n{', '.join(counts)}.")
    commands = dict.fromkeys(row.command for row in rows if row.command)
    if commands:
        print("\nEach alone:\n\n" + "\n".join(f"    sudo {command}" for command in commands))


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [{**dataclasses.asdict(row), "target": row.target, "met": row.met} for row in rows]
