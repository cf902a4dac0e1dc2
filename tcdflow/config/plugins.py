"""What drives a sweep: the sweeper that proposes its cells and the launcher that runs them, Hydra's plug-ins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from hydra.core.override_parser.types import Sweep

from tcdflow.config.compose import Composer
from tcdflow.config.overrides import PLUGINS, ParsedOverride, parse
from tcdflow.config.permission import permitted
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest

SWEEPER, LAUNCHER = "hydra/sweeper", "hydra/launcher"
BASIC = "basic"
RAY = "ray"


@dataclass(frozen=True)
class Drive:
    """The chosen plug-ins, by the names of their options.

    Attributes:
        sweeper: proposes the cells; ``basic`` makes every combination.
        launcher: runs them: ``basic`` one after the other in this process.
    """

    sweeper: str = BASIC
    launcher: str = BASIC

    @property
    def planned(self) -> bool:
        """Whether all cells are known beforehand and tcdflow runs them, from a plan that can be resumed."""
        return self.sweeper == BASIC and self.launcher in (BASIC, RAY)

    def __str__(self) -> str:
        return f"{SWEEPER}={self.sweeper}" if self.sweeper != BASIC else f"{LAUNCHER}={self.launcher}"


def drive(composer: Composer, overrides: Sequence[str]) -> Drive:
    """Return what overrides choose.

    Args:
        composer: of the sweep's cells.
        overrides: as the user wrote them.

    Raises:
        ConfigError: if a plug-in is not there, or one of its settings.
    """
    _, others = permitted(overrides)
    parsed, problems = composer.parsed(others, sweeping=True)
    if problems:
        raise ConfigError(problems)
    chosen = {SWEEPER: BASIC, LAUNCHER: BASIC}
    for item in parsed:
        if item.key in chosen:
            chosen[item.key] = _option(item)
    for group, option in chosen.items():
        problems += _unknown_settings(composer, group, option, parsed)
    if problems:
        raise ConfigError(problems)
    return Drive(chosen[SWEEPER], chosen[LAUNCHER])


def _option(item: ParsedOverride) -> str:
    value = parse(item.text, sweeping=True).value()
    if isinstance(value, Sweep):
        raise ConfigError([Problem(item.key, "cannot vary within a sweep", origin=item.text)])
    name = str(value)
    if name == RAY and find_spec("ray") is None:  # the plug-in is tcdflow's own, and there without it
        raise ConfigError([Problem(item.key, f"is not installed; pip install 'tcdflow[{PLUGINS[RAY]}]'", name)])
    return name


def _unknown_settings(composer: Composer, group: str, option: str, parsed: Sequence[ParsedOverride]) -> list[Problem]:
    """Say which settings of a plug-in are none of its, where Hydra would blame a type of its own."""
    prefix = group.replace("/", ".") + "."
    settings = [item for item in parsed if item.key.startswith(prefix)]
    if not settings:
        return []
    loaded = composer.loader.repository.load_config(f"{group}/{option}")
    known = [str(name) for name in (loaded.config if loaded else ()) if name not in ("_target_", "defaults")]
    if option == BASIC:  # Hydra's own would be told, and is not asked
        known = []
    problems = []
    for item in settings:
        name = item.key.removeprefix(prefix).partition(".")[0]
        if name == "params":
            problems.append(Problem(item.key, "write overrides: key=interval(0,1), key=1,2", origin=item.text))
        elif name not in known:
            has = f"has {', '.join(known)}" if known else "has no settings"
            near = nearest(name, known)
            near = near and f"{prefix}{near}"
            problems.append(Problem(item.key, f"unknown key; {group}={option} {has}", origin=item.text, nearest=near))
    return problems
