"""A YAML by its path among the words of a command: ``tcdflow mine.yaml`` runs it as an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tcdflow.config.overrides import quoted
from tcdflow.config.places import EXPERIMENT, conf_dir, groups
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest
from tcdflow.spec.paths import at_home

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Words:
    """The words of a command that compose a run.

    Attributes:
        overrides: those that override, with the one that chooses the file.
        file: the YAML that is named by its path, if one is.
        beside: directory of the file's own groups, if it lies in one.
    """

    overrides: tuple[str, ...]
    file: Path | None = None
    beside: Path | None = field(default=None)


def read(words: Sequence[str]) -> Words:
    """Tell a YAML that is named by its path from overrides.

    Raises:
        ConfigError: if it is not there, or a second one is named.
    """
    named = [word for word in words if word.lower().endswith(SUFFIXES) and ("=" not in word or at_home(word).is_file())]
    if not named:
        return Words(tuple(words))
    others = [text for text in words if text.partition("=")[0].lstrip("+~") == EXPERIMENT]
    if len(named) > 1 or others:
        what = "one YAML at a time is run; make one of them the other's first default, or leave it out"
        raise ConfigError([Problem([*named, *others][1], what)])
    file = at_home(named[0]).absolute()
    if not file.is_file():
        there = [path.name for path in _files(file.parent)]
        near = nearest(file.name, there)
        near = near and str(Path(named[0]).parent / near)
        raise ConfigError([Problem(named[0], "there is no such file", nearest=near)])
    if not file.stat().st_size:  # of a command that failed, say, whose output was to be kept in it
        raise ConfigError([Problem(named[0], "is empty, and would run what tcdflow does when nothing is said")])
    chosen = f"{EXPERIMENT}={quoted(file.stem)}"
    return Words(tuple(chosen if word == named[0] else word for word in words), file, _beside(file))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in SUFFIXES] if folder.is_dir() else []


def _beside(file: Path) -> Path | None:
    """Return the directory laid out like ``conf/`` that a file lies in, or in a group of which it lies."""
    names = groups()
    root = file.parent.parent if file.parent.name in names else file.parent
    laid_out = any((root / name).is_dir() for name in names)
    return root if laid_out and root.resolve() != conf_dir() else None
