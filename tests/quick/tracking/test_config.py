"""Choosing trackers: data only, beside the run, and the same for all cells of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

import tcdflow
from tcdflow.cli.command import dispatch
from tcdflow.config import beside
from tcdflow.config.compose import Composer
from tcdflow.config.distill import DistillComposer
from tcdflow.spec.tracker import TRACKERS
from tests.sweep.fake import Sweep


def test_several_at_once_beside_the_run() -> None:
    composition = Composer().compose(["tracker=[tensorboard,mlflow]", "tracker.mlflow.experiment=eta"])
    assert list(composition.tracking.tracker) == ["tensorboard", "mlflow"]
    assert composition.spec == tcdflow.compose()
    assert "tracker" not in composition.choices
    assert DistillComposer().distillation(["tracker=wandb"]).tracking.tracker.keys() == {"wandb"}
    assert Composer().compose([]).tracking.tracker == {}


def test_a_sweep_has_the_same_name_and_plan_with_one(sweep: Sweep) -> None:
    plain, tracked = (
        sweep.plan("sampling.seed=1,2", *more) for more in ((), ("tracker=mlflow", "tracker.mlflow.wait=5"))
    )
    assert plain.name == tracked.name
    assert plain.difference(tracked) == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["tracker=mlflwo"], "must be one of mlflow, tensorboard, wandb"),
        (["tracker=mlflow", "tracker.mlflow.wait=-1"], "tracker.mlflow.wait"),
        (["tracker=mlflow", "tracker.mlflow.uri=http://evil"], "tracker.mlflow.uri"),
        (["tracker.mine.kind=os.system"], "tracker.mine.kind"),
    ],
)
def test_what_is_wrong_is_told(overrides: list[str], said: str) -> None:
    with pytest.raises(tcdflow.ConfigError, match=said):
        Composer().compose(overrides)


def test_it_cannot_vary_within_a_sweep(sweep: Sweep) -> None:
    with pytest.raises(tcdflow.ConfigError, match="sweep as a whole cannot vary within it"):
        sweep.plan("tracker=mlflow,wandb")


def test_a_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "find_spec", lambda name: None)
    with pytest.raises(tcdflow.ConfigError, match=r"tracker\.wandb: is not installed; pip install 'tcdflow\[wandb\]'"):
        Composer().compose(["tracker=wandb"])


def test_each_kind_has_its_extra_and_preset() -> None:
    assert set(TRACKERS) == set(Composer().options("tracker"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["missing", "tracker=mlflow"], "directory not found: missing"),
        (["."], "tracker: must be given"),
        ([".", "sampling.eta=1"], "sampling.eta: has no effect on what is done"),
    ],
)
def test_track_answers_mistakes(argv: list[str], said: str, at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["track", *argv]) == 2
    assert said in capfd.readouterr().err
