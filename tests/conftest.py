"""What all tests share."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.logging import LogCaptureHandler
from hypothesis import HealthCheck, settings

from tcdflow.config.compose import Composer
from tcdflow.engine.threads import set_spinning
from tests.helpers import Write, Writer
from tests.zygote.client import Zygote

# Before torch is imported. Tests run in several processes, whose threads would fight for the cores, spinning.
set_spinning()
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Else each process that a test starts would compile tcdflow for itself, and each worker the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Nothing that collecting imports is garbage, and looking for it takes a tenth of the time.
gc.disable()

pytest_plugins = ["tests.standins.fixtures", "tests.standins.images"]

# HYPOTHESIS_PROFILE chooses one. No deadline in either, since the machine may be busy.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.register_profile("ci", _COMMON, max_examples=50, derandomize=True, database=None)
settings.register_profile("nightly", _COMMON, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker waits long for another; slow tests take their time."""
    quick = Path(__file__).parent / "quick"
    items.sort(key=lambda item: quick in item.path.parents)
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(0))


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Leave out what a file of tests has imported, too: some of what it uses collects all there is, again and again."""
    if nextitem is not None and nextitem.path != item.path:
        gc.collect(1)
        gc.freeze()


def pytest_collection_finish() -> None:
    """Leave what collecting made out of each later collection of garbage: a tenth of the time of composing."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000, 50, 1000)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tcdflow remembers between runs out of the user's home, in this process and those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TCDFLOW_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("TCDFLOW_DEBUG", raising=False)
        patch.setenv("TCDFLOW_DEFAULTS", "off")
        patch.setenv("TCDFLOW_WARM", "0")
        yield


@pytest.fixture(scope="session", autouse=True)
def hears_signals() -> None:
    """A shell that runs the tests in the background, or nohup, has them ignored by all processes that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what a test has set of the process's logging, as Hydra does: its streams are closed with the test."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in before and not isinstance(one, LogCaptureHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def composer() -> Composer:
    """A composer over tcdflow's own configs."""
    return Composer()


@pytest.fixture
def configs(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Write a user's config directory: ``configs({"experiment/mine.yaml": "..."})`` returns its path."""
    return Writer(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Starts ``tcdflow`` in processes of their own without the seconds that its imports take."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    process = Zygote(tmp_path_factory.mktemp("zygote"), shared / "zygote.lock")
    yield process
    process.close()
