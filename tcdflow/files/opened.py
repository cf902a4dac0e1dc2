"""Files opened once: what a library then loads is what was opened, wherever the files' names lead meanwhile.

A folder that is swapped for another while a run loads it, and swapped back, has its names, sizes and times again. So
a library is given a folder of links to open files, and finds in it what the lock has and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tcdflow.errors import ConfigError, RunError, TcdflowError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.scratch import scratch
from tcdflow.files.stamp import Stamp
from tcdflow.text import printable

_OPEN = Path("/proc/self/fd")
"""Where Linux shows what a process has open; elsewhere files are loaded by their names."""


@contextmanager
def opened(artifacts: Artifacts) -> Iterator[Artifacts]:
    """Open all files of artifacts, and give the artifacts as they can be loaded meanwhile.

    What is raised meanwhile names the files' own folders.

    Raises:
        RunError: if a file is not the one that was there when the run began.
    """
    if not artifacts.by_role or not _OPEN.is_dir():
        yield artifacts
        return
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        roots = {folder / str(number): artifact.root for number, artifact in enumerate(artifacts)}
        views = [
            replace(artifact, root=_linked(artifact, root, stack))
            for root, artifact in zip(roots, artifacts, strict=True)
        ]
        try:
            yield Artifacts.of(views)
        except ConfigError as error:
            raise ConfigError([replace(one, what=_own(one.what, roots)) for one in error.problems]) from error
        except TcdflowError as error:
            error.args = (_own(str(error), roots),)
            raise


def _own(message: str, roots: Mapping[Path, Path]) -> str:
    """Return a message with the files' own folders in place of those that a library was given."""
    for given, root in roots.items():
        message = re.sub(rf"{re.escape(str(given))}(?!\d)", lambda _, root=root: str(root), message)  # type: ignore[misc]
    return message


def _linked(artifact: Artifact, folder: Path, stack: ExitStack) -> Path:
    for name in artifact.files:
        try:
            handle = os.open(artifact.root / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RunError(printable(f"{artifact.role}: {name} cannot be read: {error.strerror}")) from error
        stack.callback(os.close, handle)
        if not artifact.is_same(name, Stamp.of_open(handle)):
            raise RunError(printable(f"{artifact.role}: {name} was changed while the run read it; start it again"))
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(_OPEN / str(handle))
    return folder
