"""Problems of the cells of a sweep: each mistake reported once, with the cells that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcdflow.errors import ConfigError, Problem

MAX_SHOWN = 40
MAX_CELLS = 6


class ProblemCollector:
    """Collects the problems of cells."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}
        self._cells: dict[tuple[str, str], list[str]] = {}

    def add(self, problems: Sequence[Problem], overrides: Sequence[str]) -> None:
        """Add what is wrong with one cell."""
        for problem in problems:
            same = (problem.key, f"{problem.value!r} {problem.what}")
            self._problems.setdefault(same, problem)
            self._cells.setdefault(same, []).append(" ".join(overrides) or "the only one")

    def raise_any(self) -> None:
        """Say all of it.

        Raises:
            ConfigError: if there was any problem.
        """
        if not self._problems:
            return
        shown = [self._shown(same, problem) for same, problem in list(self._problems.items())[:MAX_SHOWN]]
        if len(self._problems) > MAX_SHOWN:
            shown.append(Problem("sweep", f"and {len(self._problems) - MAX_SHOWN} more things are wrong"))
        raise ConfigError(shown)

    def _shown(self, same: tuple[str, str], problem: Problem) -> Problem:
        cells = list(dict.fromkeys(self._cells[same]))
        shown = " | ".join(cells[:MAX_CELLS])
        more = f" and {len(cells) - MAX_CELLS} more" if len(cells) > MAX_CELLS else ""
        where = f"{'cell' if len(cells) == 1 else f'{len(cells)} cells'}: {shown}{more}"
        if problem.origin and "=" not in problem.origin:
            where = f"{problem.origin}; {where}"
        return replace(problem, origin=where)
