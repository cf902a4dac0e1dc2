"""The errors a user can meet.

::

    TcdflowError                exit status 1
    ├── RequestError            2   what was asked for is wrong
    │   ├── ConfigError             a key or value of the configuration
    │   ├── SourceError             a file, folder or repository that is missing or not what it should be
    │   │   └── NotHereError        it could be downloaded, and HF_HUB_OFFLINE forbids it
    │   └── RecordError             a run directory, run.json or image that cannot be read back
    └── RunError                1   the request was right and the run failed
        ├── InvalidOutputError      invalid output (NaN, Inf or all black)
        └── OutputError             images or records could not be written
            └── NoRoomError             and no other could: the disk is full or read-only

Each carries a message that a person can act on; the command line prints it and nothing else. An interrupt is
Python's own ``KeyboardInterrupt`` (exit status 130).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC, EROFS
from typing import Literal

from tcdflow.text import one_line, printable, shortened, unsigned

Kind = Literal["missing", "for another", "no mapping", "several values"]
"""Problems that more depends on than their text: a key that is set nowhere, one that is for another choice, a value
where a mapping belongs, and several values outside of a sweep."""


@dataclass(frozen=True)
class Misfit:
    """Of a part that was trained for other bases.

    Attributes:
        trained_for: families of the bases that it fits.
        base: the family of the base that it does not fit.
    """

    trained_for: tuple[str, ...]
    base: str


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request.

    Attributes:
        key: the dotted key, e.g. ``sampling.eta``.
        what: what is wrong with it and what is allowed.
        value: the offending value as the user wrote it, or None where there is none.
        origin: the override or file that set it.
        nearest: a known name close to a misspelt one.
        fetchable: whether what is missing could be downloaded, were it allowed to.
        place: path and line of a user's file that set it, which is shown in place of the origin; where there is none,
            the whole file is what is wrong, and its path is shown in place of the key.
        kind: which kind of problem it is, where more depends on that than the text.
        misfit: which families do not fit, where that is what is wrong.
    """

    key: str
    what: str
    value: object | None = None
    origin: str | None = None
    nearest: str | None = None
    fetchable: bool = False
    place: str | None = None
    kind: Kind | None = None
    misfit: Misfit | None = None

    def __str__(self) -> str:
        whole = self.place if not self.origin else None
        key = shortened(unsigned(whole or self.key), 400 if whole else 200) or "''"
        subject = key if self.value is None else f"{key} = {_shown(self.value)}"
        meant = f"; did you mean '{self.nearest}'?" if self.nearest else ""
        place = None if whole else self.place or self.origin
        where = f" [{shortened(unsigned(place), 400)}]" if place else ""
        return one_line(f"{subject}: {shortened(unsigned(self.what), 1000)}{meant}{where}")


class TcdflowWarning(UserWarning):
    """What is allowed and probably not meant, as the library tells it; records have it too."""


class TcdflowError(Exception):
    """Base of all errors that tcdflow raises on purpose."""

    exit_status = 1


class RequestError(TcdflowError):
    """What was asked for cannot be done as asked."""

    exit_status = 2


class ConfigError(RequestError):
    """The configuration is wrong; ``problems`` lists every violation found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        # Exceptions are unpickled from their message, and a worker's have to arrive with their problems.
        return type(self), (self.problems,)


class SourceError(RequestError):
    """Weights, an image or a repository cannot be found or are not what they should be."""


class NotHereError(SourceError):
    """What is needed lies on the hub and not on this machine, and nothing may be downloaded now."""


class RecordError(RequestError):
    """A run directory, record or image cannot be read back."""


class RunError(TcdflowError):
    """The run failed although its configuration is right."""


class InvalidOutputError(RunError):
    """Invalid output: NaN, Inf or all black."""


class OutputError(RunError):
    """An image or record could not be written."""

    @staticmethod
    def of(path: object, error: OSError, done: str = "written") -> OutputError:
        """Return what the system's error means for a path: ``<path>: cannot be <done>: <reason>``."""
        kind = NoRoomError if error.errno in (ENOSPC, EDQUOT, EROFS) else OutputError
        return kind(printable(f"{path}: cannot be {done}: {error.strerror or error}"))


class NoRoomError(OutputError):
    """Nothing else can be written there either: the disk is full, a quota used up, or the file system read-only."""


def out_of_memory(error: BaseException) -> bool:
    """Say whether a run failed for want of memory: a smaller or emptier one might do."""
    if isinstance(error, RequestError):
        return False
    message = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in message or "can't allocate memory" in message))
    )


def by_interrupt(error: BaseException) -> bool:
    """Say whether a Ctrl-C is behind an error: it may strike where somebody tidies up, who then raises another."""
    links: list[BaseException | None] = [error]
    for link in links:
        if isinstance(link, KeyboardInterrupt):
            return True
        if link is not None:
            links += [other for other in (link.__cause__, link.__context__) if other not in links]
    return False


def _shown(value: object) -> str:
    try:
        text = unsigned(value if isinstance(value, str) else repr(value))
    except ValueError:  # an integer of more digits than Python writes
        text = "(a number of thousands of digits)"
    return f"'{text[:77]}...'" if len(text) > 80 else f"'{text}'" if isinstance(value, str) else text
