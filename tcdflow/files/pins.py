"""Pins: each source at the commit of a lock, and each file with its hash.

A lock file that a person keeps beside a config and the lock of a recorded run both pin a run through this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.hashes import has_hash, sha256_file
from tcdflow.files.images import is_url, public_url
from tcdflow.files.kept import kept
from tcdflow.files.layout import is_weights
from tcdflow.files.lock import LockedFile
from tcdflow.files.source import Source, at_commit, parse
from tcdflow.spec.paths import at_home, is_there

_MAX_SHOWN = 10
_HALF = ".fp16."


class Pins:
    """The sources and files of a lock.

    Args:
        files: of the lock.
        name: of the lock file, for messages; None for the lock of a record.
        unknown: message for a source that the lock does not have; None leaves such a source free.
        since: of when the lock is, for messages: ``" since the plan"``.
        holds: says by its role whether a file must be the lock's; of the others it gives the commits alone.
        directory: of the recorded run, where its input images may lie, and below the one in which it was begun.
    """

    def __init__(
        self,
        files: Iterable[LockedFile],
        name: str | None = None,
        unknown: str | None = None,
        since: str = "",
        holds: Callable[[str], bool] = lambda role: True,
        directory: Path | None = None,
    ) -> None:
        self._name = name
        self._unknown = unknown
        self._since = since
        self._holds = holds
        self._directory = directory
        self._files: dict[str, dict[str, LockedFile]] = {}
        for file in files:
            self._files.setdefault(file.source, {})[file.file] = file

    def source(self, text: str) -> Source:
        """Parse a source text; what the lock has from the hub is meant at the commit that the lock names.

        Raises:
            SourceError: if the lock does not have it, or has it from a path that is not there.
        """
        first = self._first(text)
        if first is None:
            return parse(text)
        if first.revision is None:
            return _stays_here(self._place(text))
        pinned = at_commit(text, first.revision)
        return parse(pinned or text)

    def image(self, text: str) -> None:
        """Check that the lock has an input image.

        Raises:
            SourceError: if it does not.
        """
        self._first(public_url(text))

    def kept_image(self, role: str, text: str) -> Path | None:
        """Return the input image that the lock has, found by its hash; None if it is nowhere, or any other will do."""
        found = (kept(file, self._directory) for file in self._images(role, text))
        return next(filter(None, found), None) or self.image_above(role, text)

    def image_above(self, role: str, text: str) -> Path | None:
        """Return the input image that a recorded run had, where it was begun in another working directory."""
        hashes = [file.sha256 for file in self._images(role, text)]
        return next((path for path in self.above(text) if any(has_hash(path, one) for one in hashes)), None)

    def half(self, text: str) -> bool | None:
        """Say whether half-precision weights were read of a source; None if the lock has none of it, or others too."""
        known = self._files.get(text, {})
        halves = [name for name in known if _HALF in name]
        if not known or any(name.replace(_HALF, ".") in known for name in halves):
            return None
        return bool(halves)

    def hold(self, locked: Iterable[LockedFile]) -> None:
        """Hold the files of a run against the lock.

        Raises:
            ConfigError: naming each file that the lock does not have, or has with another hash, with both hashes.
        """
        problems = list(self._problems([file for file in locked if self._holds(file.role)]))
        more = [Problem("lock", f"and {len(problems) - _MAX_SHOWN} more files")] if problems[_MAX_SHOWN:] else []
        if problems:
            raise ConfigError([*problems[:_MAX_SHOWN], *more])

    def _images(self, role: str, text: str) -> list[LockedFile]:
        known = self._files.get(public_url(text), {}).values() if self._holds(role) else ()
        return [file for file in known if file.role == role]

    def above(self, text: str) -> Iterator[Path]:
        """Yield what a relative path leads to from the directories above that of the run: it was begun in one of them.

        Whether it is what the run had is for its hash to tell.
        """
        if self._directory is not None and not (is_url(text) or text.startswith("~") or Path(text).is_absolute()):
            yield from (path for above in self._directory.resolve().parents if is_there(path := above / text))

    def _place(self, text: str) -> str:
        """Return where a local source of the lock is: of several files of that path the one with its hash."""
        places = [*([text] if is_there(at_home(text)) else []), *map(str, self.above(text))]
        known = [*self._files[text].values()]
        if len(places) > 1 and len(known) == 1:
            ours = (place for place in places if _is_file(at_home(place), known[0]))
            return next(ours, places[0])
        return places[0] if places else text

    def _first(self, text: str) -> LockedFile | None:
        known = self._files.get(text)
        if known is None and self._unknown is not None:
            raise SourceError(self._unknown)
        return None if known is None else next(iter(known.values()))

    def _problems(self, locked: Sequence[LockedFile]) -> Iterator[Problem]:
        parts: dict[tuple[str, str], set[str]] = {}
        for file in locked:
            parts.setdefault((file.role, file.source), set()).add(file.file)
            then = self._files.get(file.source, {}).get(file.file)
            if then is None:
                yield self._problem(file.role, f"{file.file} is not in the lock; here its sha256 is {file.sha256}")
            elif then.sha256 != file.sha256:
                what = f"{file.file} has changed{self._since}: its sha256 was {then.sha256} and is {file.sha256}"
                yield self._problem(file.role, what)
        for (role, source), here in parts.items():
            for name, file in self._files.get(source, {}).items():
                if name not in here and file.role == role and _is_read(name, here):
                    yield self._problem(role, f"{name} is missing; its sha256 was {file.sha256}")

    def _problem(self, role: str, what: str) -> Problem:
        return Problem(role, what, origin=self._name)


FREE = Pins((), holds=lambda role: False)
"""Pins nothing."""


def _stays_here(text: str) -> Source:
    """Refuse to look on the hub, where anybody may take a name, for what was a local folder or file."""
    source = parse(text)
    if source.kind == "hub":
        raise SourceError("names a local folder or file of another machine, which is not found here")
    return source


def _is_file(path: Path, file: LockedFile) -> bool:
    try:
        return path.is_file() and path.stat().st_size == file.size and sha256_file(path) == file.sha256
    except OSError:
        return False


def _is_read(name: str, here: set[str]) -> bool:
    """Say whether a missing file would be read beside those that are: a library reads the configs of a whole folder.

    Weights that are missing are another matter: a lock of several runs may have those of more than one variant.
    """
    folder = name.rpartition("/")[0]
    return not is_weights(name) and any(other.rpartition("/")[0] == folder for other in here)
