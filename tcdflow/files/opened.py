"""Files opened once: what a library then loads is what was opened, wherever the files' names lead meanwhile.

A folder that is swapped for another while a run loads it, and swapped back, has its names, sizes and times again. So
a library is given a folder of links to open files, and finds in it what the lock has and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tcdflow.errors import RunError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.stamp import Stamp
from tcdflow.text import printable

_OPEN = Path("/proc/self/fd")
"""Where Linux shows what a process has open; elsewhere files are loaded by their names."""


@contextmanager
def opened(artifacts: Artifacts) -> Iterator[Artifacts]:
    """Open all files of artifacts, and give the artifacts as they can be loaded meanwhile.

    Raises:
        RunError: if a file is not the one that was there when the run began.
    """
    if not _OPEN.is_dir():
        yield artifacts
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcdflow-")))
        yield Artifacts.of(
            replace(artifact, root=_linked(artifact, folder / str(number), stack))
            for number, artifact in enumerate(artifacts)
        )


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
