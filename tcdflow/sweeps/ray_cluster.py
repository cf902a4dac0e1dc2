"""Ray: connected to, or started on this machine, and how its devices are shared out among workers."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.model import RuntimeSpec
from tcdflow.spec.types import Int, Settings
from tcdflow.text import counted, first_line

log = logging.getLogger(__name__)

KEY = "hydra.launcher"
_ANSWER = 10.0
"""Seconds within which a cluster has to answer."""


class RaySettings(Settings):
    """Settings of ``hydra/launcher=ray``, as ``hydra.launcher.*``."""

    address: str | None = Field(
        None,
        pattern=r"^(auto|[A-Za-z0-9_.-]{1,253}:[0-9]{1,5})$",
        description="a running cluster's host:port, or auto to find one; null starts Ray on this machine",
    )
    workers: Int | None = Field(
        None,
        ge=1,
        le=4096,
        description="number of workers; null is one for each GPU, later ones too, or one if there is none",
    )
    threads: Int | None = Field(
        None, ge=1, le=1024, description="CPU threads of each worker; null shares them out evenly"
    )


@dataclass(frozen=True)
class Machine:
    """What a machine of a cluster has: processors and GPUs."""

    cpus: int
    gpus: int = 0

    def places(self, threads: int, gpus: int) -> int:
        """Return how many workers with so many threads and GPUs it has room for."""
        return min(self.cpus // threads, self.gpus) if gpus else self.cpus // threads


@dataclass(frozen=True)
class Crew:
    """Workers and what each of them has.

    Attributes:
        workers: how many.
        threads: CPU threads of each.
        gpus: GPUs of each: 1 or 0.
    """

    workers: int
    threads: int
    gpus: int

    @property
    def each(self) -> str:
        """What a worker needs, in words."""
        gpus = " and a GPU" if self.gpus else ""
        return f"{counted(self.threads, 'CPU')}{gpus}"

    def options(self) -> dict[str, Any]:
        """Return what to ask Ray for, a worker."""
        return {"num_cpus": self.threads, "num_gpus": self.gpus, "max_restarts": 0, "max_task_retries": 0}


@contextlib.contextmanager
def cluster(settings: RaySettings, *, gpus: bool) -> Iterator[Crew]:
    """Connect to a cluster, or start Ray on this machine and stop it at the end.

    Args:
        settings: which, and how many workers.
        gpus: whether the work can use GPUs.

    Raises:
        ConfigError: if the cluster does not answer, or has less than what was asked for.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Whatever log_to_driver says, Ray prints deaths of workers on stdout, among the paths of images: skip every line.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    import ray

    if ray.is_initialized():  # by whoever called us, who will stop it too
        yield crew(settings, _machines(), gpus)
        return
    with _own_signals():
        _connect(settings)
    try:
        yield crew(settings, _machines(), gpus)
    finally:
        ray.shutdown()


def room(settings: RaySettings, crew: Crew) -> int:
    """Return how many workers a cluster has room for by now: one for each GPU, unless their number was said."""
    import ray

    if settings.address is None or settings.workers is not None or not crew.gpus:
        return crew.workers
    return int(ray.cluster_resources().get("GPU", 0))


def check_address(settings: RaySettings) -> None:
    """Find out whether anybody is there, since Ray would try for many minutes.

    Raises:
        ConfigError: if nobody is.
    """
    if settings.address in (None, "auto"):
        return
    host, _, port = str(settings.address).rpartition(":")
    try:
        socket.create_connection((host, int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(settings, error) from None


def check_devices(runtimes: Iterable[RuntimeSpec]) -> None:
    """Refuse runs that ask for a certain GPU.

    Raises:
        ConfigError: if one does.
    """
    for device in (runtime.device for runtime in runtimes):
        if device.startswith("cuda:"):
            what = "each of Ray's workers has one GPU, whatever its number: write cuda"
            raise ConfigError([Problem("runtime.device", what, device)])


def _no_cluster(settings: RaySettings, error: Exception) -> ConfigError:
    return ConfigError([Problem(f"{KEY}.address", f"no Ray answers there: {first_line(error)}", settings.address)])


def _connect(settings: RaySettings) -> None:
    import ray

    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if settings.address is not None:
        check_address(settings)
        try:
            ray.init(address=settings.address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            raise _no_cluster(settings, error) from None
        return
    cpus = _cpus()
    wanted = (settings.workers or 1) * (settings.threads or 1)
    ray.init(address="local", num_cpus=max(cpus, wanted), include_dashboard=False, **quiet)


def _machines() -> list[Machine]:
    import ray

    alive = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return [Machine(int(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in alive]


def crew(settings: RaySettings, machines: Sequence[Machine], gpus: bool) -> Crew:
    """Return the workers that fit the machines: each of them has its threads, and its GPU, on one machine.

    Args:
        settings: which and how many.
        machines: of the cluster.
        gpus: whether the work can use GPUs.

    Raises:
        ConfigError: if they have less than what was asked for.
    """
    found = sum(machine.gpus for machine in machines) if gpus else 0
    workers = settings.workers or max(found, 1)
    if 0 < found < workers:
        raise ConfigError([Problem(f"{KEY}.workers", f"there are {found} GPUs, one for each", workers)])
    each = int(found > 0)
    # Where Ray was started for us, it was told of as many processors as workers: they may share those that are there.
    own = [Machine(min(_cpus(), machine.cpus), machine.gpus) for machine in machines]
    threads = settings.threads or _most_threads(own if settings.address is None else machines, workers, each)
    if (room := sum(machine.places(threads, each) for machine in machines)) < workers:
        what = f"with {threads} threads each need {workers * threads} CPUs, and the cluster has room for {room} of them"
        raise ConfigError([Problem(f"{KEY}.workers", what, workers)])
    return Crew(workers, threads, each)


def _most_threads(machines: Sequence[Machine], workers: int, gpus: int) -> int:
    """Return the most threads that each of the workers can have; 1 where there is no room for all."""
    counts = range(max((machine.cpus for machine in machines), default=1), 1, -1)
    return next((n for n in counts if sum(machine.places(n, gpus) for machine in machines) >= workers), 1)


def _cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our answer to signals, which Ray replaces."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
