"""``hydra/launcher=...`` of a planned sweep: what makes its cells, this process or Ray's workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from omegaconf import OmegaConf
from pydantic import ValidationError

from tcdflow.config.compose import Composer
from tcdflow.config.permission import permitted
from tcdflow.config.plugins import LAUNCHER, RAY, Drive, drive
from tcdflow.errors import ConfigError, Problem
from tcdflow.pipeline import cublas
from tcdflow.spec.model import RuntimeSpec
from tcdflow.spec.problems import problems_of
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.ray_cluster import KEY, RaySettings, check_address, check_devices
from tcdflow.sweeps.runner import Runner

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.sampler import Step


class Running(Protocol):
    """What makes the cells of a plan."""

    def run(self, before: Iterable[Outcome]) -> Generator[Outcome, None, None]:
        """Run the cells that are left, yielding what becomes of each."""


@dataclass(frozen=True)
class Process:
    """What the process that runs a sweep has for it.

    Attributes:
        engine: gives the warm engine; called once torch may be imported.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
        constant: gives an engine that keeps nothing to restore a base with, for plans whose cells have one pipeline;
            None if there is but the one.
    """

    engine: Callable[[], Engine]
    interrupted: Callable[[], bool] = lambda: False
    constant: Callable[[], Engine] | None = None


@dataclass(frozen=True)
class Launcher:
    """What was said of the launcher.

    Attributes:
        words: the overrides that choose it, to be repeated when the sweep is resumed. A plan does not remember them:
            plans are untrusted, and whoever is connected to a cluster runs its code.
        ray: how to use Ray; None for this process.
        apart: whether each run has a process of its own, as submitit's have.
    """

    words: tuple[str, ...] = ()
    ray: RaySettings | None = None
    apart: bool = False

    @classmethod
    def of(cls, composer: Composer, overrides: Sequence[str], by: Drive) -> Launcher:
        """Read what a sweep's overrides say.

        Args:
            composer: of the sweep's cells.
            overrides: as the user wrote them.
            by: what they choose.

        Raises:
            ConfigError: if a setting is wrong.
        """
        parsed, _ = composer.parsed(permitted(overrides)[1], sweeping=True)
        words = tuple(item.text for item in parsed if item.key == LAUNCHER or item.key.startswith(f"{KEY}."))
        if by.launcher != RAY:
            return cls(words, apart=by.launcher.startswith("submitit"))
        settings = OmegaConf.to_container(composer.load(words, sweeping=True).hydra.launcher)
        assert isinstance(settings, dict)
        settings.pop("_target_", None)
        try:
            ray = RaySettings.model_validate(settings)
        except ValidationError as error:
            raise ConfigError(problems_of(error, RaySettings, lambda key: None, under=KEY)) from None
        return cls(words, ray)

    @classmethod
    def alone(cls, words: Sequence[str]) -> Launcher:
        """Read overrides that may say nothing else.

        Raises:
            ConfigError: if they do, or a setting is wrong.
        """
        if not words:
            return cls()
        composer = Composer()
        by = drive(composer, words)
        launcher = cls.of(composer, words, by)
        others = [text for text in words if text not in launcher.words]
        if others or not by.planned:
            what = "a plan is made already; only hydra/launcher=basic or ray and its settings can be chosen"
            raise ConfigError([Problem("resume", what, text) for text in others or words])
        return launcher

    def check(self, runtimes: Collection[RuntimeSpec]) -> None:
        """Refuse runs that it cannot make.

        Args:
            runtimes: their options.

        Raises:
            ConfigError: if one asks for a GPU by its number, and Ray's workers are to make it, or if a process of this
                machine would have to change its cuBLAS workspace between them.
        """
        if self.ray is not None:
            check_devices(runtimes)
        if not self.apart and (self.ray is None or self.ray.address is None):
            cublas.check(runtimes)

    def check_here(self) -> None:
        """Find out whether the cluster can be had from this machine.

        Raises:
            ConfigError: if nobody is at its address.
        """
        if self.ray is not None:
            check_address(self.ray)

    def runner(self, plan: Plan, directory: Path, process: Process, on_step: Step) -> Running:
        """Return what makes the cells."""
        if self.ray is None:
            engine = process.engine if plan.switches else process.constant or process.engine
            return Runner(plan, directory, engine, on_step, process.interrupted)
        from tcdflow.sweeps.ray_runner import RayRunner

        return RayRunner(plan, directory, self.ray, process.interrupted)
