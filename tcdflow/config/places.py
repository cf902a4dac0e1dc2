"""Where tcdflow's own configs are, and what they are called. Needs no Hydra: completion has no time for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

_ADDRESS = re.compile(r"https?://[^\s'\",\]}]+")
EXPERIMENT = "experiment"
"""The group whose options hold keys of the whole config."""
LISTS = ("loras", "embeddings", "adapters", "tracker")
"""Groups of which several options are chosen, by a list."""

_ENTRY = re.compile(r"^([A-Za-z][\w-]*):", re.MULTILINE | re.ASCII)


def conf_dir() -> Path:
    """Return the directory of tcdflow's configs: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


@cache
def addresses() -> frozenset[str]:
    """Return the http(s) addresses that tcdflow's own configs name."""
    texts = (path.read_text("utf-8") for path in conf_dir().glob("*/*.yaml"))
    return frozenset(address for text in texts for address in _ADDRESS.findall(text))


def groups(*more: Path) -> tuple[str, ...]:
    """Return the names of the groups, Hydra's own left out.

    Args:
        more: directories laid out like ``conf/``.
    """
    names = {path.name for folder in (conf_dir(), *more) for path in folder.iterdir() if path.is_dir()}
    return tuple(sorted(name for name in names if is_group(name)))


def is_group(name: str) -> bool:
    """Say whether a folder of ``conf/`` is a group of options: neither Hydra's nor hidden."""
    return name != "hydra" and not name.startswith(".")


def files(group: str, *more: Path) -> Sequence[Path]:
    """Return the YAML files of a group, by name."""
    folders = (conf_dir(), *more)
    found = [path for folder in folders for path in (folder / group).glob("*.yaml") if within(path, folder)]
    return sorted(found, key=lambda path: path.stem)


def within(path: Path, folder: Path) -> bool:
    """Say whether a file is in a folder, or in those below it, once links are followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a ring of links
        return False


def entries(group: str, *more: Path) -> Iterator[str]:
    """Yield the names that the files of a group of LoRAs or adapters define, such as ``tcd``."""
    for path in files(group, *more):
        yield from _ENTRY.findall(path.read_text("utf-8"))
