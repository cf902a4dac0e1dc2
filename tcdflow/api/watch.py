"""How a program and a notebook see a run or sweep: bars of tqdm, Python's warnings, calls after each step."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcdflow.errors import TcdflowWarning
from tcdflow.files.resolve import Progress
from tcdflow.multirun.watcher import Watcher
from tcdflow.sweeps.outcome import Outcome
from tcdflow.text import printable

if TYPE_CHECKING:
    from tcdflow.engine.sampler import Step

_SHOWN = 20


class Bars(Watcher):
    """Shows a sweep by a bar of its cells, and warns.

    Args:
        shown: whether there are bars; None: in a notebook and on a terminal.
        on_step: called after each denoising step.

    Attributes:
        raised: what it has raised. That ends the sweep as an interrupt does: no cell is to blame.
    """

    def __init__(self, shown: bool | None, on_step: Step | None = None) -> None:
        self.raised: Exception | None = None
        self._shown = shown
        self._on_step = on_step
        self._bar: Any = None
        self._failed = 0

    def warn(self, texts: Iterable[str]) -> None:
        """Warn as Python does."""
        warn(texts)

    @contextmanager
    def download(self) -> Iterator[Progress]:
        """Show how much of a download is here."""
        with download(self._shown) as progress:
            yield progress

    @contextmanager
    def over(self, directory: Path, cells: int, done: int) -> Iterator[None]:
        """Show the cells while they run."""
        with bar(self._shown if done < cells else False, total=cells, initial=done, desc="cells") as self._bar:
            yield
        self._bar = None

    def step(self, image: int, done: int, of: int) -> None:
        """Show one step of the current cell."""
        if self._bar is not None:
            failed = f", {self._failed} failed" if self._failed else ""
            number = f"image {image + 1}, " if image else ""
            self._bar.set_postfix_str(f"{number}step {done}/{of}{failed}", refresh=False)
            self._bar.update(0)  # draws it, if it is time to
        if self._on_step is not None:
            try:
                self._on_step(image, done, of)
            except Exception as error:
                self.raised = error
                raise KeyboardInterrupt("on_step raised an error") from error

    def cell(self, outcome: Outcome) -> None:
        """Show what became of a cell."""
        self._failed += outcome.status == "failed"
        if self._bar is not None and outcome.attempts:
            self._bar.update(1)

    def stopped(self, error: BaseException, told: str) -> None:
        """Say at the end of the traceback how to go on."""
        (self.raised or error).add_note(f"{told}, or with the same call")


class StepBar:
    """Shows the steps of a single run.

    Args:
        shown: as of :class:`Bars`.
        images: how many the run makes.
        on_step: called after each step.
    """

    def __init__(self, shown: bool | None, images: int, on_step: Step | None) -> None:
        self._shown = shown
        self._images = images
        self._on_step = on_step
        self._bar: Any = None

    def __enter__(self) -> StepBar:
        return self

    def step(self, image: int, done: int, of: int) -> None:
        """Show one step done."""
        if self._bar is None:
            self._bar = bar(self._shown, total=of * self._images, desc="steps")
        self._bar.update(image * of + done - self._bar.n)
        if self._on_step is not None:
            self._on_step(image, done, of)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def download(shown: bool | None) -> Iterator[Progress]:
    """Show how much of a download is here, if there is any."""
    made: list[Any] = []

    def progress(done: int, total: int) -> None:
        if not made:
            made.append(bar(shown, total=total, desc="downloading", unit="B", unit_scale=True))
        made[0].update(done - made[0].n)

    try:
        yield progress
    finally:
        for one in made:
            one.close()


def bar(shown: bool | None, **settings: Any) -> Any:
    """Return a bar of tqdm: of a notebook where its widgets are, else of text on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a notebook has no widgets is no news for whom sees a bar of text
        from tqdm.auto import tqdm

    off = (None if not _in_kernel() else False) if shown is None else not shown
    return tqdm(disable=off, leave=False, **settings)  # None: where nobody reads it


def _in_kernel() -> bool:
    """Say whether this is the kernel of a notebook, whose output is no terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def warn(texts: Iterable[str]) -> None:
    """Warn as Python does, at the caller's line outside of tcdflow."""
    listed = [printable(text) for text in texts]
    if len(listed) > _SHOWN:
        listed = [*listed[:_SHOWN], f"... and {len(listed) - _SHOWN} more: each run.json has its own"]
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("tcdflow", "contextlib"):
        frame, level = frame.f_back, level + 1
    for text in listed:
        warnings.warn(text, TcdflowWarning, stacklevel=level)
