"""A YAML by its path: a user's ``tcdflow mine.yaml``, and the file of personal defaults. Both are data like others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf

from tcdflow.config.overrides import quoted
from tcdflow.config.places import conf_dir, groups
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest
from tcdflow.spec.paths import at_home

EXPERIMENT = "experiment"
SUFFIXES = (".yaml", ".yml")


class NamedFile(ConfigSource):
    """A file that Hydra sees as one config, wherever it lies; its content is for the whole config, header or not.

    Args:
        config: the name that it is seen by, such as ``experiment/mine``.
        file: the file.
    """

    def __init__(self, config: str, file: Path) -> None:
        super().__init__("named", f"{self.scheme()}://{file.parent}")
        self.config = config
        self.file = file

    @staticmethod
    def scheme() -> str:
        """Return how its places are written."""
        return "file"

    def load_config(self, config_path: str) -> ConfigResult:
        """Read the file."""
        return ConfigResult(
            provider=self.provider,
            path=f"{self.scheme()}://{self.file}",
            config=OmegaConf.load(self.file),
            header={"package": "_global_"},
        )

    def is_group(self, config_path: str) -> bool:
        """Say whether it lies in a group of this name."""
        return "/" in self.config and config_path == self.config.rpartition("/")[0]

    def is_config(self, config_path: str) -> bool:
        """Say whether it is the config of this name."""
        return config_path in (self.config, f"{self.config}.yaml")

    def available(self) -> bool:
        """Say whether it is there."""
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return its name, of the group that it lies in."""
        return [self.config.rpartition("/")[2]] if self.is_group(config_path) else []


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
