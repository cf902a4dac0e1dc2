"""Each experiment of ``conf/``, the guide's among them: what fetch brings is all that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from huggingface_hub import constants

import tcdflow
from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.record import lockfile
from tests.docs.prefilled import fill_images, repositories
from tests.fetch.conftest import cached
from tests.hub import StandInHub
from tests.hub.fixtures import point_client_at
from tests.standins import StandIns

SHORT = ["base.size=64", "sampling.steps=2", "runtime.device=cpu"]
OTHER_LORAS = {"hyper_sd", "lcm", "sdxl_lightning"}
"""Experiments whose distilled LoRAs have no stand-in."""
EXPERIMENTS = sorted(set(Composer().options("experiment")) - OTHER_LORAS)
RUN = {"controlnet_depth", "ip_adapter"}
"""What is run in the normal suite: the rest takes as long again, each."""


@pytest.fixture(scope="module")
def everything(standins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInHub]:
    """A hub with a stand-in of each repository that ``conf/`` names, and the images of its URLs at hand."""
    home = tmp_path_factory.mktemp("workflows")
    with StandInHub() as hub, pytest.MonkeyPatch.context() as patch:
        for name, folder in repositories(standins).items():
            hub.add(name, folder)
        point_client_at(hub.endpoint, home, patch)
        patch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 10)
        fill_images(home / "tcdflow")
        yield hub


@pytest.fixture
def asked(experiment: str) -> list[str]:
    frames = ["task.num_frames=2"] if experiment == "animation" else []
    return [f"experiment={experiment}", *SHORT, *frames]


@pytest.fixture
def offline(
    asked: list[str], everything: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandInHub]:
    """Fetch an experiment into a cache that has nothing else, and go offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert dispatch(["fetch", *asked]) == 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    everything.requests.clear()
    yield everything
    assert everything.requests == []


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_nothing_is_missing_and_nothing_is_there_in_vain(
    experiment: str, asked: list[str], offline: StandInHub, capfd: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["check", *asked]) == 0
    assert "to fetch" not in capfd.readouterr().out
    assert dispatch(["lock", *asked, "--output", "lock.json"]) == 0
    locked = {file.sha256 for file in lockfile.read(Path("lock.json")).files}
    assert [name for name, content in cached().items() if sha256(content).hexdigest() not in locked] == []


@pytest.mark.parametrize(
    "experiment", [name if name in RUN else pytest.param(name, marks=pytest.mark.slow) for name in EXPERIMENTS]
)
def test_it_runs(experiment: str, asked: list[str], offline: StandInHub, standins: StandIns) -> None:
    made = tcdflow.run(*asked, "hydra.run.dir=made")
    assert made.record.status == "done"
    assert {name.partition("/")[0] for name in cached()} <= {file.source.partition("/")[0] for file in made.record.lock}
