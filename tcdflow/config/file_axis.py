"""Files as a sweep's axis: ``task.image=glob(photos/*.png)``, or a folder, whose images are meant then.

Hydra's ``glob()`` chooses options of a group by their names; for a key that names a file it chooses files. They come in
the order that people count in, ``2.png`` before ``10.png``, and the plan names each of them.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath

from hydra.core.override_parser.types import Glob

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.formats import input_suffixes
from tcdflow.spec.free_text import place_of
from tcdflow.spec.keys import keys
from tcdflow.spec.model import RunSpec
from tcdflow.spec.paths import at_home, looked_in

_WEIGHTS = (".safetensors",)


def files(key: str, chosen: Glob, most: int) -> list[str]:
    """Return the paths of an axis, as they are to be written in its cells.

    Args:
        key: that they are values of.
        chosen: patterns of paths, or folders; and of names or paths to leave out. ``**`` is any depth of folders.
        most: values that an axis may have.

    Raises:
        ConfigError: if the key names no file, or no file is there.
    """
    shown = f"glob({','.join(chosen.include)})"
    named = place_of(key)
    if named is None:  # what an untrusted config may list is only what it may read
        names = sorted({one.name.rpartition(".")[2] for one in keys(RunSpec) if place_of(one.name)})
        what = f"glob() is for groups and for keys that name files ({', '.join(names)})"
        raise ConfigError([Problem(key, what, shown)])
    suffixes = tuple(input_suffixes()) if named.holds == "images" else _WEIGHTS
    found: dict[str, None] = {}
    for pattern in chosen.include:
        for path in _matches(pattern, suffixes):
            if not any(fnmatch(text, leave) for leave in chosen.exclude for text in (path, PurePath(path).name)):
                found[path] = None
            if len(found) > most:
                raise ConfigError([Problem(key, f"has more than {most} values", shown)])
    if not found:
        raise ConfigError([Problem(key, f"there is no such file{looked_in(chosen.include[0])}", shown)])
    return sorted(found, key=_as_counted)


def _matches(pattern: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files of a pattern, hidden ones left out; those of a folder have one of the suffixes."""
    place = at_home(pattern)
    if place.is_dir():
        found = [path for path in place.iterdir() if path.name.lower().endswith(suffixes) and path.name[0] != "."]
    else:
        found = [Path(path) for path in glob.iglob(str(place), recursive=True)]  # noqa: PTH207  pathlib takes hidden ones
    return [_as_written(str(path), pattern) for path in found if not path.is_dir()]


def _as_written(path: str, pattern: str) -> str:
    """Return a path with ``~`` where its pattern had it."""
    home = str(at_home("~"))
    return "~" + path.removeprefix(home) if pattern.startswith("~/") and path.startswith(home) else path


def _as_counted(path: str) -> list[tuple[int, int, str]]:
    """Return what sorts paths as people count: numbers in them by their value."""
    parts = re.split(r"(\d+)", path)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def unlike(keys: Sequence[str], ranks: Iterable[Sequence[str]]) -> str | None:
    """Say that files which move together have names that do not go together, such as ``a.png`` with ``b_mask.png``.

    Args:
        keys: of the axes.
        ranks: at each position the paths, one of each axis.
    """
    for rank in ranks:
        first, *others = sorted((PurePath(path).stem for path in rank), key=len)
        if not all(_go_together(first, other) for other in others):
            pair = " with ".join(f"{key}={PurePath(path).name}" for key, path in zip(keys, rank, strict=True))
            return f"sweep.zip moves files of unlike names together: {pair}"
    return None


def _go_together(one: str, other: str) -> bool:
    numbers = re.findall(r"\d+", one)
    return numbers == re.findall(r"\d+", other) and (bool(numbers) or one in other)
