"""The Ray launcher where Hydra looks for it: the wheel has this file as ``hydra_plugins/tcdflow_launcher.py``.

Every Hydra application of an environment imports it, tcdflow's or not, so that it imports next to nothing. An editable
install has a copy: whoever changes this file installs again.
"""

# No `from __future__ import annotations`: Hydra runs a plug-in before it is among sys.modules, where dataclasses look
# up what annotations that are text mean.
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class RayLauncherConf:
    """Settings, as of :class:`tcdflow.sweeps.ray_cluster.RaySettings`."""

    _target_: str = "hydra_plugins.tcdflow_launcher.RayLauncher"
    address: str | None = None
    workers: int | None = None
    threads: int | None = None


class RayLauncher(Launcher):
    """Runs jobs on Ray's workers, each of which keeps its process, and what is loaded in it, from job to job."""

    def __init__(self, address: str | None, workers: int | None, threads: int | None) -> None:
        self.settings = {"address": address, "workers": workers, "threads": threads}
        self.crew: object = None  # of the first launch, for those that follow

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what the jobs have in common."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs and return what they returned, in their order."""
        from tcdflow.multirun.ray_jobs import launch

        return launch(self, job_overrides, initial_job_idx)


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayLauncherConf, provider="tcdflow")
