"""What is told of a sweep while it is planned and runs: the command line's bars and lines, and a notebook's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tcdflow.files.resolve import Progress
from tcdflow.sweeps.outcome import Outcome


class Watcher:
    """Is told of a sweep, and says nothing."""

    def drawn(self, seeds: Sequence[int]) -> None:
        """Hear which seeds were drawn for ``sampling.seed=random``."""

    def warn(self, texts: Iterable[str]) -> None:
        """Hear what is probably not meant."""

    def download(self) -> AbstractContextManager[Progress]:
        """Return what shows a download, if there is any."""
        return nullcontext(lambda done, total: None)

    def over(self, directory: Path, cells: int, done: int) -> AbstractContextManager[None]:
        """Return what shows the cells while they run.

        Args:
            directory: of the sweep.
            cells: of the sweep.
            done: of them already.
        """
        return nullcontext()

    def step(self, image: int, done: int, of: int) -> None:
        """Hear of one denoising step of the current cell."""

    def cell(self, outcome: Outcome) -> None:
        """Hear what became of a cell."""

    def stopped(self, error: BaseException, told: str) -> None:
        """Hear that the sweep stops with an error or an interrupt, and in a line how far it is and how to go on."""
