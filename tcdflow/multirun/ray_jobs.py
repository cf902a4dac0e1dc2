"""Hydra's jobs on Ray's workers: what ``hydra/launcher=ray`` does where Hydra drives a sweep.

Any Hydra application may use it; tcdflow does with sweepers such as Optuna's. Sweeps that tcdflow plans go another way:
see :mod:`tcdflow.sweeps.ray_runner`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from pydantic import ValidationError

from tcdflow.errors import ConfigError
from tcdflow.libraries import omegaconf
from tcdflow.spec.problems import problems_of
from tcdflow.sweeps.ray_cluster import KEY, RaySettings, cluster
from tcdflow.sweeps.ray_worker import share_processors


class Launching(Protocol):
    """The launcher, as Hydra has set it up."""

    settings: dict[str, Any]
    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    crew: Any


class JobRunner:
    """An actor: runs one job after the other.

    Args:
        cwd: working directory, that of the process which launches.
        threads: CPU threads to compute with.
    """

    def __init__(self, cwd: str, threads: int) -> None:
        share_processors(threads)
        os.chdir(cwd)

    def run(self, common: tuple[Any, ...], number: int, overrides: Sequence[str]) -> JobReturn:
        """Compose a job as Hydra's own launcher does, and run it.

        Args:
            common: what all jobs share: Hydra's context, config, task function, singletons and resolvers.
            number: of the job.
            overrides: of the job.
        """
        context, config, task_function, singletons, resolvers = common
        setup_globals()
        Singleton.set_state(singletons)
        omegaconf.learn(resolvers)
        job = context.config_loader.load_sweep_config(config, list(overrides))
        with open_dict(job):
            job.hydra.job.id = f"{job.hydra.job.name}_{number}"
            job.hydra.job.num = number
        return run_job(
            hydra_context=context,
            task_function=task_function,
            config=job,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


class JobRunners:
    """Workers that stay from one batch of jobs to the next: a sweeper that learns launches many.

    They end with the launcher, and with this process.
    """

    def __init__(self, settings: RaySettings) -> None:
        import ray

        self._open = ExitStack()
        crew = self._open.enter_context(cluster(settings, gpus=True))
        options = {**crew.options(), "max_restarts": -1}
        actor: Any = ray.remote(JobRunner)
        self._actors = [actor.options(**options).remote(str(Path.cwd()), crew.threads) for _ in range(crew.workers)]

    def map(self, common: tuple[Any, ...], jobs: Sequence[tuple[int, Sequence[str]]]) -> list[JobReturn]:
        """Run jobs, each on whichever worker is free."""
        import ray
        from ray.util import ActorPool

        shared = ray.put(common)
        pool: Any = ActorPool(self._actors)
        return list(pool.map(lambda actor, job: actor.run.remote(shared, *job), jobs))


def launch(launcher: Launching, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Run jobs and return what became of each, in their order.

    Args:
        launcher: as Hydra has set it up.
        job_overrides: of each job.
        first: number of the first.

    Raises:
        ConfigError: if Ray cannot be had as it was asked for.
    """
    setup_globals()
    config = launcher.config
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    if launcher.crew is None:
        try:
            settings = RaySettings.model_validate(launcher.settings)
        except ValidationError as error:
            raise ConfigError(problems_of(error, RaySettings, lambda key: None, under=KEY)) from None
        launcher.crew = JobRunners(settings)
    common = (launcher.hydra_context, config, launcher.task_function, Singleton.get_state(), omegaconf.resolvers())
    done: list[JobReturn] = launcher.crew.map(common, list(enumerate(job_overrides, first)))
    return done
