"""Hydra's private parts: a command line, a loader and a repository of one's own have no public classes.

``hydra.compose`` and ``hydra.main`` know one global search path, print what is wrong and exit. All mistakes at once,
configs held against what they may hold, and sweeps planned without composing each cell need the parts below them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.hydra import Hydra as Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from tcdflow.libraries.omegaconf import without_types
from tcdflow.text import joined, rewritten

JOB_LINE = "Error executing job with overrides"
"""What Hydra says of a job that failed, when somebody asks for its result."""


def application(loader: ConfigLoaderImpl) -> Hydra:
    """Return Hydra's application over a loader: flags such as ``--cfg``, and sweeps that plug-ins drive.

    Private: ``hydra._internal.hydra.Hydra``. In its place: ``hydra.main`` with a loader of one's own.
    """
    return Hydra(task_name="run", config_loader=loader)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of Hydra's flags, so that they are Hydra's own in each version.

    Private: ``hydra._internal.utils.get_args_parser``. In its place: a parser of our own with the same flags.
    """
    return get_args_parser()


def search_path(places: Mapping[str, str]) -> ConfigSearchPath:
    """Return a search path over places by provider, such as ``{"main": "file:///configs"}``; earlier ones win.

    Private: ``ConfigSearchPathImpl``. In its place: ``hydra.initialize_config_dir``, which knows one directory.
    """
    path = ConfigSearchPathImpl()
    for provider, place in places.items():
        path.append(provider, place)
    return path


class Repository(ConfigRepository):
    """Hydra's config repository, whose ``load_config`` is to be overridden.

    Private: ``ConfigRepository``. In its place: a ``ConfigSource`` plug-in, which sees one provider's files alone, and
    not the lists that choose them.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Repository:
        # Hydra copies the repository for each composition; what was read stays known to the composer.
        copy = type(self).__new__(type(self))
        vars(copy).update(vars(self), sources=list(self.sources))
        return copy


@dataclass(frozen=True)
class Split:
    """Overrides: those that choose configs, and those that set values."""

    choosing: tuple[str, ...]
    setting: list[Override]
    all: list[Override]


class Loader(ConfigLoaderImpl):
    """Hydra's config loader, which shows each file's content as it is about to be merged.

    Private: ``ConfigLoaderImpl``, its ``_load_single_config``, ``_compose_config_from_defaults_list`` and
    ``_apply_overrides_to_config``, and ``get_overrides_dirname``. In their place: a public hook between reading and
    merging, and one between merging and setting values; there are none.
    """

    def merging(self, path: str, result: ConfigResult) -> None:
        """Look at what is about to be merged: its content stands where its header and the lists put it.

        Args:
            path: of the config, such as ``base/sdxl``.
            result: its content and provider.
        """

    def composed(self, config: DictConfig) -> None:
        """Look at what all files are merged to, before values are set.

        Args:
            config: Hydra's own node included.
        """

    def split(self, overrides: Sequence[str]) -> Split | None:
        """Tell overrides that choose configs from those that set values; None if Hydra has to see them together.

        Raises:
            HydraException: if one of them cannot be parsed.
        """
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        if any(item.is_sweep_override() or item.key_or_group == "hydra.searchpath" for item in parsed):
            return None
        setting = [
            isinstance(item.value(), dict) or not self.repository.group_exists(item.key_or_group) for item in parsed
        ]
        choosing = tuple(text for text, sets in zip(overrides, setting, strict=True) if not sets)
        return Split(choosing, [item for item, sets in zip(parsed, setting, strict=True) if sets], parsed)

    def set_values(self, config: DictConfig, split: Split) -> None:
        """Do to what the choosing overrides compose what Hydra does for the others, and note all of them there.

        Raises:
            ConfigCompositionException: as Hydra does.
        """
        self._apply_overrides_to_config(split.setting, config)
        node, job = config.hydra, config.hydra.job.config.override_dirname
        own = [item for item in split.all if not item.is_hydra_override()]
        node.overrides.hydra = [str(item.input_line) for item in split.all if item.is_hydra_override()]
        node.overrides.task = [str(item.input_line) for item in own]
        node.runtime.cwd = str(Path.cwd())
        node.job.override_dirname = get_overrides_dirname(own, job.exclude_keys, job.item_sep, job.kv_sep)

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        result = super()._load_single_config(default, repo)
        self.merging(str(default.config_path), result)
        return result

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        config = super()._compose_config_from_defaults_list(defaults, repo)
        self.composed(config)
        return config


def said(error: BaseException) -> str:
    """Return in one line what is wrong, as Hydra says it: its cause, where it does no more than repeat an override.

    Private: the text "Error merging override". In its place: an error whose text is that of its cause.
    """
    text = str(error)
    bare = text == "" or text.startswith("Error merging override")
    return joined(without_types(str(error.__cause__ if bare and error.__cause__ else error)))


def unchosen(text: str) -> tuple[str, list[str]] | None:
    """Return the group of which an option must be chosen, and its options, if that is what Hydra says.

    Private: the texts "You must specify" and "Available options". In their place: attributes of the error, such as
    ``MissingConfigException`` has.
    """
    found = re.match(r"You must specify '([^']+)'.*?Available options: (.*)", text)
    return (found[1], found[2].split()) if found else None


def placed(text: str) -> tuple[str, str] | None:
    """Return the config that Hydra found a mistake in, such as ``experiment/mine``, and the mistake, if it tells.

    Private: the text "In 'experiment/mine':" before it. In its place: an attribute of the error.
    """
    found = re.match("In '(.*?)': ", text)
    return (found[1], text[found.end() :]) if found else None


@contextmanager
def without_job_lines() -> Iterator[None]:
    """Leave out the line on standard error that Hydra writes of a failed job, before the error that says why.

    Private: the text of the line (``JobReturn.return_value`` writes it). In its place: a switch of Hydra's.
    """
    with redirect_stderr(rewritten(sys.stderr, lambda text: "" if text.startswith(JOB_LINE) else text)):
        yield
