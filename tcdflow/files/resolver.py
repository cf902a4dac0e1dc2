"""Collects the artifacts of a run, and the problems of all of them before any is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tcdflow.errors import ConfigError, NotHereError, Problem, SourceError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.finder import Finder
from tcdflow.files.images import public_url, resolve_image
from tcdflow.files.pins import Pins
from tcdflow.files.source import Source
from tcdflow.text import shortened, unsigned

_MOST_SHOWN = 120

Find = Callable[[str, Source, bool], Artifact]
"""Finds the files of one part from its role, its source and whether weights of half precision are preferred."""


@dataclass
class Resolver:
    """What was found of a run so far, and what was wrong.

    Attributes:
        finder: finds the files of a part.
        pins: what is known of them beforehand.
        half: whether the run computes in half precision, where the pins do not tell.
    """

    finder: Finder
    pins: Pins
    half: bool
    found: dict[str, Artifact] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def take(self, role: str, key: str, text: str, find: Find) -> Artifact | None:
        """Find the files of one part; a source that is wrong becomes a problem of its key, and None is returned."""
        try:
            half = self.pins.half(text)
            artifact = find(role, self.pins.source(text), self.half if half is None else half)
        except SourceError as error:
            self.problems.append(problem(key, text, error))
            return None
        # The lock names a source as the spec does: its commit has a place of its own.
        self.found[role] = replace(artifact, source=text)
        return self.found[role]

    def take_file(self, role: str, key: str, text: str) -> Artifact | None:
        """Find one weight file, as :meth:`take` does."""
        return self.take(role, key, text, lambda role, source, _: self.finder.weight_file(role, source))

    def take_image(self, role: str, key: str, text: str) -> None:
        """Find one input image; a URL with a secret in it is refused, since records name the URL."""
        shown = public_url(text)
        if shown != text.partition("#")[0]:
            what = "carries a password or token, which would be recorded; download the image and give its path"
            self.problems.append(Problem(key, f"'{shown}' {what}"))
            return
        try:
            self.pins.image(text)
        except SourceError as error:
            self.problems.append(problem(key, shown, error))
            return
        try:
            self.found[role] = resolve_image(role, text)
        except SourceError as error:
            self.problems.append(Problem(key, str(error)))

    def done(self) -> Artifacts:
        """Return what was found.

        Raises:
            ConfigError: if there was any problem.
        """
        if self.problems:
            raise ConfigError(self.problems)
        return Artifacts(self.found)


def problem(key: str, text: str, error: SourceError) -> Problem:
    """Return what is wrong with a source as a problem of the key that names it."""
    shown = shortened(unsigned(text), _MOST_SHOWN)
    return Problem(key, f"'{shown}': {error}", fetchable=isinstance(error, NotHereError))
