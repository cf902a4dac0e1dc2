"""The Ray launcher as a plug-in of Hydra, whatever the application: Hydra's own tests of launchers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite, sweep_2_jobs
from hydra.test_utils.test_utils import TSweepRunner
from hydra.version import VersionBase, __compat_version__


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[str]:
    """One cluster for all: starting Ray takes seconds."""
    context = ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    with pytest.MonkeyPatch.context() as patch:  # for the applications that the tests below start
        patch.setenv("RAY_ADDRESS", context.address_info["gcs_address"])
        yield context.address_info["gcs_address"]
    ray.shutdown()


@pytest.fixture(autouse=True)
def defaults_of_no_application() -> Iterator[None]:
    """Hydra keeps for the whole process which version's defaults hold; other tests have composed with tcdflow's."""
    base = VersionBase.instance()
    before, base.version_base = base.version_base, __compat_version__
    yield
    base.version_base = before


def test_hydra_finds_it() -> None:
    assert "RayLauncher" in {launcher.__name__ for launcher in Plugins.instance().discover(Launcher)}


@pytest.mark.usefixtures("hydra_restore_singletons")
def test_two_jobs_of_any_application(hydra_sweep_runner: TSweepRunner, tmp_path: Path) -> None:
    sweep_2_jobs(hydra_sweep_runner, ["hydra/launcher=ray"], None, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), [("ray", [])])
class TestRayLauncher(LauncherTestSuite):
    pass


CONFIG = {
    "defaults": [
        {"override hydra/launcher": "ray"},
        {"override hydra/hydra_logging": "hydra_debug"},
        {"override hydra/job_logging": "disabled"},
    ],
    "hydra": {"launcher": {"address": "auto"}},
}


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(CONFIG, ["-m"])])
class TestRayLauncherInApplications(IntegrationTestSuite):
    pass
