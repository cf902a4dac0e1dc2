"""From overrides to a :class:`RunSpec`: Hydra composes, pydantic validates, then the rules; all mistakes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hydra.core.object_type import ObjectType
from hydra.core.utils import setup_globals
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from tcdflow.config.axis_warnings import not_swept
from tcdflow.config.beside import lock_of, tracking_of
from tcdflow.config.blame import blamed, missing
from tcdflow.config.composition import Composition
from tcdflow.config.draft import Draft
from tcdflow.config.entries import explained
from tcdflow.config.foreign import foreign
from tcdflow.config.guard import forbidden, walk
from tcdflow.config.hints import hinted, overshadowed
from tcdflow.config.origin import origin
from tcdflow.config.overrides import ParsedOverride, check
from tcdflow.config.permission import ALLOW_PICKLE, GROUP, permitted
from tcdflow.config.personal import CONFIG as PERSONAL
from tcdflow.config.personal import PersonalDefaults
from tcdflow.config.places import LISTS, is_group
from tcdflow.config.references import multiplying, referenced
from tcdflow.config.resolved import resolved, selected, without_hydra
from tcdflow.config.search import config_loader
from tcdflow.config.seeds import RandomSeeds
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import Hydra, application
from tcdflow.spec import rules
from tcdflow.spec.model import RunSpec
from tcdflow.spec.problems import problems_of
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.types import Settings

Whole = TypeVar("Whole", bound=Settings)

CONFIG_NAME = "config"
_MAX_SHOWN = 10
_DEEPEST = 3
"""Folders within each other below a group."""
_BESIDE = ("sweep", "lock", "tracker", GROUP)
"""Keys beside those of a run, which change nothing of it."""
_SELECTORS = ("experiment",)
"""Groups that are packed into the whole config and have no field of their own."""


class Composer:
    """Composes runs from tcdflow's configs and a user's own.

    Args:
        config_dir: a directory laid out like ``conf/``.
        experiment: a YAML that ``experiment=`` can choose by its name, wherever it lies.
        personal: a YAML with personal defaults.
        config_name: of the config that all begins with.
        fetch: whether the user lets addresses be asked that files of others name.

    Attributes:
        model: what it composes.

    Raises:
        ConfigError: if the directory is not laid out so, or would hide a file of tcdflow's.
    """

    model: ClassVar[type[Settings]] = RunSpec

    def __init__(
        self,
        config_dir: str | Path | None = None,
        *,
        experiment: Path | None = None,
        personal: Path | None = None,
        config_name: str = CONFIG_NAME,
        fetch: bool = False,
    ) -> None:
        setup_globals()
        self.fetch = fetch
        self.config_name = config_name
        self._user_dir = Path(config_dir) if config_dir is not None else None
        self.loader = config_loader(self._user_dir, experiment, personal)
        self.seeds = RandomSeeds()
        self._options: dict[str, tuple[str, ...]] = {}

    @cached_property
    def hydra(self) -> Hydra:
        """Hydra's application over this composer's loader."""
        return application(self.loader)

    def options(self, group: str) -> tuple[str, ...]:
        """Names that can be chosen from a group; empty for what is not a group."""
        if group not in self._options:
            known = bool(group) and "." not in group and self.loader.repository.group_exists(group)
            self._options[group] = tuple(self._names(group)) if known else ()
        return self._options[group]

    def _names(self, group: str, depth: int = _DEEPEST) -> list[str]:
        """Return the names of a group, those in folders of it too, such as ``sub/deep``."""
        repository = self.loader.repository
        names = repository.get_group_options(group)
        if depth and is_group(group.partition("/")[0]) and group not in LISTS:
            for folder in repository.get_group_options(group, ObjectType.GROUP):
                names += [f"{folder}/{name}" for name in self._names(f"{group}/{folder}", depth - 1)]
        return sorted(names)

    def groups(self) -> tuple[str, ...]:
        """Names of tcdflow's groups, Hydra's own left out."""
        return tuple(name for name in self.loader.list_groups("") if is_group(name))

    def own_file(self, config: str) -> Path | None:
        """Return the user's file of a config, such as ``experiment/mine``; None for ours."""
        return self.loader.repository.own_file(config)

    @property
    def personal(self) -> PersonalDefaults | None:
        """The personal defaults that the last run was composed with."""
        return PersonalDefaults.of(self.own_file(PERSONAL), self.loader.merged.get(PERSONAL))

    def hydra_texts(self, overrides: Sequence[str]) -> list[str]:
        """Return overrides as Hydra is to read them."""
        parsed, _ = self.parsed(overrides)
        return [item.hydra_text for item in parsed if item.hydra_text]

    def parsed(self, overrides: Sequence[str], *, sweeping: bool = False) -> tuple[list[ParsedOverride], list[Problem]]:
        """Return the overrides that can be composed, with the seeds that they draw, and what is wrong with the others.

        Args:
            overrides: as the user wrote them.
            sweeping: whether commas and ranges mean a sweep.

        Raises:
            ConfigError: if one draws no seed, or too many.
        """
        texts = [self.seeds.override(text) for text in overrides]
        return check(texts, options=self.options, sweeping=sweeping)

    def compose(self, overrides: Sequence[str] = (), *, of_sweep: bool = False) -> Composition:
        """Compose, type and judge one run.

        Args:
            overrides: as the user wrote them.
            of_sweep: whether it is a run of a sweep; else one that declares a sweep is warned.

        Raises:
            ConfigError: with every violation found.
        """
        allow_pickle, others = permitted(overrides)
        draft, problems = self.begun(others)
        composition = self._composition(draft, overrides, problems, allow_pickle=allow_pickle)
        return composition if of_sweep else replace(composition, warnings=tuple(not_swept(draft.sweep)))

    def typed(self, config: DictConfig, overrides: Sequence[str]) -> Composition:
        """Type and judge a run that Hydra itself has composed, with this composer's loader.

        Args:
            config: what Hydra has composed, its own node included.
            overrides: from which it did.

        Raises:
            ConfigError: with every violation found.
        """
        parsed, problems = self.parsed(overrides)
        return self._composition(self._drafted(config, parsed, problems), overrides, problems)

    def draft(self, overrides: Sequence[str]) -> Draft:
        """Compose without typing.

        Raises:
            ConfigError: if Hydra cannot compose, or an interpolation cannot be resolved.
        """
        draft, problems = self.begun(overrides)
        if problems:
            raise self.error(problems)
        return draft

    def sweep_of(self, overrides: Sequence[str]) -> SweepSpec:
        """Return what a config says of a sweep, whatever else may still be missing in it.

        Raises:
            ConfigError: if Hydra cannot compose, or the settings of the sweep are wrong.
        """
        parsed, problems = self.parsed(overrides)
        plain = OmegaConf.to_container(self.load(overrides), resolve=False)
        assert isinstance(plain, dict)
        sweep = self._sweep(plain.get("sweep"), parsed, problems)
        if problems:
            raise self.error(problems)
        return sweep

    def load(self, overrides: Sequence[str], *, sweeping: bool = False) -> DictConfig:
        """Return what Hydra composes, its own node included, untyped and with its interpolations.

        Raises:
            ConfigError: if Hydra cannot compose.
        """
        parsed, problems = self.parsed(overrides, sweeping=sweeping)
        config = self._load(parsed, problems, RunMode.MULTIRUN if sweeping else RunMode.RUN)
        if problems or config is None:
            raise self.error(problems)
        return config

    def value(self, key: str, overrides: Sequence[str]) -> Any:
        """Return what a key is with some overrides, whatever else may still be missing.

        Raises:
            ConfigError: if Hydra cannot compose, or the key's interpolation cannot be resolved.
        """
        return selected(self.load(overrides), key)

    def judge(self, plain: dict[str, Any], parsed: Sequence[ParsedOverride], problems: list[Problem]) -> RunSpec | None:
        """Validate the resolved config of a run, also by the rules; ``problems`` collects what is wrong."""
        return self.judged(RunSpec, rules.problems, plain, parsed, problems)

    def judged(
        self,
        model: type[Whole],
        found_by: Callable[[Whole], Iterable[Problem]],
        plain: dict[str, Any],
        parsed: Sequence[ParsedOverride],
        problems: list[Problem],
    ) -> Whole | None:
        """Validate a resolved config as a model, also by its rules; ``problems`` collects what is wrong.

        What was refused before is left out of the config, so that nothing is said that would not be true with it.
        """
        refused = [problem for problem in problems if problem.key.partition(".")[0] not in _BESIDE]
        found: list[Problem] = []
        spec = self._validate(model, plain, parsed, found)
        if spec is not None and not refused:
            found += [self._placed(problem, parsed) for problem in found_by(spec)]
        true = [problem for problem in found if not overshadowed(problem, refused)]
        problems += [self._hinted(explained(problem, plain, parsed, self.options)) for problem in true]
        return spec

    def error(self, problems: Sequence[Problem]) -> ConfigError:
        """Return the error of problems, each once and with what it gains from the configs."""
        return ConfigError(_unique([self._hinted(problem) for problem in problems]))

    def _hinted(self, problem: Problem) -> Problem:
        return hinted(problem, self.own_file, self._user_dir)

    def begun(self, overrides: Sequence[str]) -> tuple[Draft, list[Problem]]:
        """Compose without typing, and return what is wrong by then beside it.

        Raises:
            ConfigError: if Hydra cannot compose.
        """
        parsed, problems = self.parsed(overrides)
        config = self._load(parsed, problems)
        if config is None:
            raise self.error(problems)
        return self._drafted(config, parsed, problems), problems

    def _drafted(self, config: DictConfig, parsed: Sequence[ParsedOverride], problems: list[Problem]) -> Draft:
        self.seeds.fill(config)
        with without_hydra(config):
            plain = self._resolve(config, parsed, problems)
            named = frozenset(referenced(config))
        sweep = self._sweep(plain.pop("sweep", None), parsed, problems)
        if plain.pop(GROUP, None) is not None:
            what = f"only the person at the command line may allow it, as {ALLOW_PICKLE}=true"
            problems.append(Problem(GROUP, what, origin=self._origin(GROUP, parsed)))
        lock = lock_of(plain.pop("lock", None), lambda key: self._origin(key, parsed), problems)
        tracking = tracking_of(plain.pop("tracker", None), lambda key: self._origin(key, parsed), problems)
        return Draft(plain, sweep, tuple(parsed), named, config, lock, tracking)

    def _composition(
        self, draft: Draft, overrides: Sequence[str], problems: list[Problem], *, allow_pickle: bool = False
    ) -> Composition:
        spec = self.judge(draft.plain, draft.parsed, problems)
        if problems or spec is None:
            raise self.error(problems)
        return Composition(
            spec,
            tuple(overrides),
            self.choices(draft.config),
            (),
            draft.config,
            draft.sweep,
            draft.lock,
            draft.tracking,
            allow_pickle,
            self.fetch,
            self.personal,
        )

    def _sweep(self, plain: Any, parsed: Sequence[ParsedOverride], problems: list[Problem]) -> SweepSpec:
        try:
            return SweepSpec.model_validate(plain or {})
        except ValidationError as error:
            problems += problems_of(error, SweepSpec, lambda key: self._origin(key, parsed), under="sweep")
            return SweepSpec()

    def choices(self, config: DictConfig) -> dict[str, Any]:
        """Return what Hydra knows to be chosen, and the options of groups that take a list, which it does not tell."""
        known = dict(OmegaConf.to_container(config.hydra.runtime.choices))  # type: ignore[arg-type]
        return {
            group: known[group]
            if group in known
            else [path.partition("/")[2] for path in self.loader.merged if path.startswith(f"{group}/")]
            for group in self.groups()
            if group in self.model.model_fields or group in _SELECTORS
        }

    def _load(
        self, parsed: Sequence[ParsedOverride], problems: list[Problem], mode: RunMode = RunMode.RUN
    ) -> DictConfig | None:
        if elsewhere := foreign(parsed, self.model):
            problems += elsewhere
            return None
        texts = [item.hydra_text for item in parsed if item.hydra_text]
        try:
            config = self.loader.load_configuration(self.config_name, texts, run_mode=mode)
            problems += self.loader.repository.mistakes
            return config
        except ConfigError as error:
            problems += error.problems
        except MissingConfigException as error:
            problems.append(missing(error, self.options, self.loader.repository.loaded))
        except RecursionError:
            last = next(reversed(self.loader.repository.loaded), "config")
            problems.append(Problem("defaults", "config files choose each other in a circle", origin=f"{last}.yaml"))
        except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
            problems.append(blamed(error, parsed, self.loader.repository.loaded))
        problems += self.loader.repository.mistakes
        return None

    def _resolve(self, task: DictConfig, parsed: Sequence[ParsedOverride], problems: list[Problem]) -> dict[str, Any]:
        plain = OmegaConf.to_container(task, resolve=False)
        refused = [
            Problem(key, reason, value, origin=self._origin(key, parsed))
            for key, value in walk(plain)
            if (reason := forbidden(key, value))
        ]
        if refused:
            raise self.error([*problems, *refused])
        if bombs := multiplying(task)[:_MAX_SHOWN]:
            what = "its interpolations lead back to it, or to too many others"
            raise self.error([*problems, *(Problem(key, what, origin=self._origin(key, parsed)) for key in bombs)])
        base = plain.get("base", {}) if isinstance(plain, dict) else None
        if isinstance(base, dict) and "family" not in base:  # by which presets choose their checkpoints
            key = "base.family" if base else "base"
            what = f"is required; base=NAME chooses one of {', '.join(self.options('base'))}"
            raise self.error([*problems, Problem(key, what, origin=self._origin(key, parsed))])
        resolved_ = resolved(task, "", problems)
        assert isinstance(resolved_, dict)
        for name in _SELECTORS:
            if resolved_.pop(name, None) is not None:
                what = "must begin with the line '# @package _global_', and hold keys of the whole config"
                problems.append(Problem(name, what, origin=self._origin(name, parsed)))
        return resolved_

    def _validate(
        self, model: type[Whole], plain: dict[str, Any], parsed: Sequence[ParsedOverride], problems: list[Problem]
    ) -> Whole | None:
        try:
            return model.model_validate(plain)
        except ValidationError as error:
            problems += problems_of(error, model, lambda key: self._origin(key, parsed), _SELECTORS)
        return None

    def _placed(self, problem: Problem, parsed: Sequence[ParsedOverride]) -> Problem:
        return replace(problem, origin=self._origin(problem.key, parsed))

    def _origin(self, key: str, parsed: Sequence[ParsedOverride]) -> str | None:
        return origin(key, parsed, self.loader.merged)


def _unique(problems: Sequence[Problem]) -> list[Problem]:
    return list({str(problem): problem for problem in problems}.values())  # values may be mappings, which no set takes
