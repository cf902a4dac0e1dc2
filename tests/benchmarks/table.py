"""Alternating measurements and the table that they are shown in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """What was measured, with the times of tcdflow and of what it is compared with."""

    what: str
    ours: Sequence[float]
    other: Sequence[float]

    @property
    def ratio(self) -> float:
        """Median of ours over median of the other."""
        return median(self.ours) / median(self.other)


@dataclass(frozen=True)
class Figure:
    """A number that is held against a bound of its own.

    Attributes:
        what: was measured, with its unit.
        values: of each time that it was.
        bound: what it is meant to stay below.
    """

    what: str
    values: Sequence[float]
    bound: str


def compare(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run subjects in turn, so that a slow spell of the machine meets all of them; one round first is not counted."""
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, subject in subjects.items():
            seconds = subject()
            if number:
                times[name].append(seconds)
    return times


def brief(row: Row | Figure) -> str:
    """Return what was measured in one line."""
    if isinstance(row, Figure):
        return f"{row.what}: {_spread(row.values)}"
    return f"{row.what}: {_spread(row.ours)} against {_spread(row.other)}: {row.ratio:.2f}"


def show(rows: Sequence[Row | Figure]) -> str:
    """Return the tables as Markdown."""
    ratios = [row for row in rows if isinstance(row, Row)]
    figures = [row for row in rows if isinstance(row, Figure)]
    lines: list[str] = []
    if ratios:
        lines += [
            "| what | tcdflow: median (min to max) | other: median (min to max) | ratio |",
            "|---|---|---|---|",
            *(f"| {row.what} | {_spread(row.ours)} | {_spread(row.other)} | {row.ratio:.2f} |" for row in ratios),
        ]
    if figures:
        lines += ["", "| what | median (min to max) | bound |", "|---|---|---|"]
        lines += [f"| {row.what} | {_spread(row.values)} | {row.bound} |" for row in figures]
    return "\n".join(lines).strip()


def _spread(times: Sequence[float]) -> str:
    return f"{median(times):.3f} ({min(times):.3f} to {max(times):.3f})"
