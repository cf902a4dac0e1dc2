"""Hydra's loading of configs, with a guard: a user's file is looked at before Hydra acts on it, and where it lands."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import ConfigDefault
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from tcdflow.config.defaults_list import DefaultsList
from tcdflow.config.guard import check_content, check_defaults, check_file, no_yaml
from tcdflow.config.named_file import NamedFile
from tcdflow.config.personal import CONFIG as PERSONAL
from tcdflow.config.places import EXPERIMENT, LISTS, groups, within
from tcdflow.config.shipped import Shipped, stamp
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import Loader, Repository
from tcdflow.text import reason

TRUSTED = frozenset({"hydra", "main", "schema"})
"""Providers whose files ship with hydra and tcdflow; all others are a user's, or untrusted."""


@dataclass(frozen=True)
class Composed:
    """What a choice of shipped configs composes to.

    Attributes:
        config: Hydra's own node included; no values are set yet.
        merged: the files, each where its content lands.
        loaded: the files as they are.
        shipped: what tells them from others, and from themselves once they are edited.
    """

    config: DictConfig
    merged: dict[str, ConfigResult]
    loaded: dict[str, ConfigResult]
    shipped: dict[str, Hashable]


_READ: Shipped[ConfigResult | None] = Shipped()
_COMPOSED: Shipped[Composed] = Shipped()


class GuardedRepository(Repository):
    """Hydra's config repository, which refuses files that are more than data and remembers what it read.

    Attributes:
        loaded: the files of the latest composition.
        mistakes: in their lists of defaults; what was wrong is left out of what is composed.
        shipped: what tells the shipped files among them from others, and from themselves once they are edited.
    """

    def __init__(self, search_path: ConfigSearchPath, named: Sequence[NamedFile] = ()) -> None:
        self._named = tuple(named)
        super().__init__(search_path)
        self.loaded: dict[str, ConfigResult] = {}
        self.mistakes: list[Problem] = []
        self.shipped: dict[str, Hashable] = {}

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        """Look into the named files first, as nothing else was named by its path."""
        super().initialize_sources(config_search_path)
        self.sources[:0] = self._named

    def own_file(self, config_path: str) -> Path | None:
        """Return a user's file of a config, such as ``experiment/mine``; None if it is one of ours, or not there."""
        source = self._source(config_path)
        if source is None or source.provider in TRUSTED:
            return None
        if isinstance(source, NamedFile):
            return source.file
        name = config_path if config_path.endswith(".yaml") else f"{config_path}.yaml"
        return Path(source.path.removeprefix("file://")) / name

    def _source(self, config_path: str) -> ConfigSource | None:
        return next((source for source in self.sources if source.is_config(config_path)), None)

    def _read(self, config_path: str) -> ConfigResult | None:
        """Read a config, or return a copy of what was read of a shipped one, which is remembered in :attr:`shipped`."""
        source = self._source(config_path)
        shipped = stamp(source, config_path) if source is not None and source.provider in TRUSTED else None
        if shipped is None:
            return super().load_config(config_path)
        self.shipped[config_path] = shipped
        read = super().load_config
        return _READ.copy(shipped, lambda: read(config_path))

    def are_as(self, shipped: Mapping[str, Hashable]) -> bool:
        """Say whether configs are still what they were when these stamps were made."""
        sources = {name: self._source(name) for name in shipped}
        return all(source is not None and stamp(source, name) == shipped[name] for name, source in sources.items())

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Load a config, unless it comes from a user and is more than data.

        A path that leaves its source is refused: through ``..`` an untrusted file would be read as one of ours.
        """
        if "\\" in config_path or any(part in ("", ".", "..") for part in config_path.split("/")):
            raise ConfigError([Problem("defaults", "a config is named by its group and name alone", config_path)])
        own = self.own_file(config_path)
        if own is not None:
            self._check_place(own, f"{config_path}.yaml")
        package = check_file(own, f"{config_path}.yaml") if own is not None else None
        try:
            result = self._read(config_path)
        except (yaml.YAMLError, OSError) as error:
            raise no_yaml(f"{config_path}.yaml", error) from None
        except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
            raise ConfigError([Problem(f"{config_path}.yaml", reason(error, 1000))]) from None
        if result is not None:
            self.loaded[config_path] = result
            if package is not None:
                result.header["package"] = package
            elif own is not None and config_path.startswith(f"{EXPERIMENT}/") and not result.header.get("package"):
                result.header["package"] = "_global_"  # as where it is named by its path
            if not _trusted(result):
                check_defaults(result.defaults_list or (), f"{config_path}.yaml")
                listed = DefaultsList(config_path, self).mended(result.defaults_list or (), self.mistakes)
                result.defaults_list = listed
            elif config_path == "config" and any(file.config == PERSONAL for file in self._named):
                self._add_personal(result)
        return result

    def _check_place(self, own: Path, shown: str) -> None:
        """Refuse a file that a link takes from elsewhere: whoever wrote a directory must not choose what is read.

        One that is named by its path is what the person at the command line has chosen.
        """
        sources = [source for source in self.sources if source.provider not in TRUSTED]
        roots = [Path(source.path.removeprefix("file://")) for source in sources if not isinstance(source, NamedFile)]
        if not any(file.file == own for file in self._named) and not any(within(own, root) for root in roots):
            raise ConfigError([Problem(shown, "is a link that leads out of its config directory; copy the file there")])

    def _add_personal(self, result: ConfigResult) -> None:
        """Have personal defaults composed after tcdflow's own config and before an experiment."""
        listed = list(result.defaults_list or ())
        place = next(place for place, element in enumerate(listed) if getattr(element, "group", "") == "experiment")
        result.defaults_list = [*listed[:place], ConfigDefault(path=PERSONAL), *listed[place:]]


def _trusted(result: ConfigResult) -> bool:
    return result.provider in TRUSTED or result.is_schema_source  # what installed Python code has registered


class GuardedLoader(Loader):
    """Hydra's config loader, which looks at each file's content where it lands.

    A file's header and the lists that choose it can put it anywhere, below ``hydra`` too.

    Attributes:
        merged: the files of the latest composition, each where its content lands, later ones winning.
    """

    def __init__(self, search_path: ConfigSearchPath, named: Sequence[NamedFile] = ()) -> None:
        super().__init__(search_path)
        self.repository: GuardedRepository = GuardedRepository(search_path, named)
        self.merged: dict[str, ConfigResult] = {}

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Compose a config, as Hydra does.

        What shipped files compose to is remembered by their choice; then only values are set on a copy.
        """
        compose = partial(super().load_configuration, config_name, from_shell=from_shell, run_mode=run_mode)
        split = self.split(overrides) if self._only_shipped and run_mode is RunMode.RUN else None
        if split is None:
            self._forget()
            return compose(overrides=overrides, validate_sweep_overrides=validate_sweep_overrides)

        def anew() -> Composed:
            self._forget()
            config = compose(overrides=list(split.choosing))
            return Composed(config, self.merged, self.repository.loaded, self.repository.shipped)

        composed = _COMPOSED.copy(
            (config_name, split.choosing), anew, lambda kept: self.repository.are_as(kept.shipped)
        )
        self.merged, self.repository.loaded = composed.merged, composed.loaded
        OmegaConf.clear_cache(composed.config)  # what time it was when the choice was first composed
        self.set_values(composed.config, split)
        return composed.config

    @property
    def _only_shipped(self) -> bool:
        return all(source.provider in TRUSTED for source in self.repository.sources)

    def _forget(self) -> None:
        self.merged = {}
        self.repository.loaded = {}
        self.repository.mistakes = []
        self.repository.shipped = {}

    def merging(self, path: str, result: ConfigResult) -> None:
        """Remember a file, and refuse it if it is more than data where it lands."""
        self.merged[path] = result
        if not _trusted(result) and isinstance(result.config, DictConfig):
            self.repository.mistakes += _no_mappings(result.config, f"{path}.yaml", self.merged)
        hydras = path in ("config", "distillation") or path.startswith("hydra/")
        if not OmegaConf.is_dict(result.config):
            raise ConfigError([Problem(f"{path}.yaml", "must hold keys with values")])
        if not _trusted(result) or ("hydra" in result.config and not hydras):
            check_content(OmegaConf.to_container(result.config, resolve=False), f"{path}.yaml")

    def composed(self, config: DictConfig) -> None:
        """Leave open what a user's file leaves open by ``???``, where merging has kept an earlier file's value."""
        if not all(map(_trusted, self.merged.values())):
            for key in _gaps(self.merged.values()):
                OmegaConf.update(config, key, "???", merge=False)


def _gaps(files: Iterable[ConfigResult]) -> list[str]:
    """Return the keys that users' files leave open and that no later file sets."""
    gaps: list[str] = []
    for file in files:
        leaves = dict(_leaves(OmegaConf.to_container(file.config, resolve=False)))
        gaps = [gap for gap in gaps if not any(_overlap(gap, key) for key in leaves)]
        gaps += [key for key, value in leaves.items() if value == "???" and not _trusted(file)]
    return gaps


def _overlap(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _leaves(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted keys of nested mappings that hold no mapping, each with its value."""
    for name, value in node.items() if isinstance(node, dict) else ():
        key = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, dict):
            yield from _leaves(value, key)
        else:
            yield key, value


def _no_mappings(config: DictConfig, shown: str, merged: Iterable[str]) -> list[Problem]:
    """Take out what stands where a group's settings do: Hydra cannot merge a list, and a value would take their place.

    Then what others say of these settings is judged by those that are there.
    """
    problems = []
    chosen = {path.partition("/")[0] for path in merged}
    for name in groups():
        missing = OmegaConf.is_missing(config, name)
        if not missing and (name not in config or OmegaConf.is_interpolation(config, name)):
            continue
        value = "???" if missing else config.get(name)
        if OmegaConf.is_list(value):
            listed = OmegaConf.to_container(value, resolve=False)
            value = f"[{', '.join(map(str, listed if isinstance(listed, list) else ()))}]"
        elif OmegaConf.is_dict(value) or name not in chosen or (value is None and name in LISTS):
            continue
        value = "null" if value is None else value
        problems.append(Problem(name, "must be a mapping", value, shown, kind="no mapping"))
        with open_dict(config):
            del config[name]
    return problems
