"""A sweep is prepared in one way: what one of check, fetch, lock and the run says of it, the others say too."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.config.plugins import drive
from tcdflow.errors import ConfigError
from tcdflow.files import accelerator
from tcdflow.files.pins import Pins
from tcdflow.multirun.planned import PlannedSweep
from tcdflow.multirun.prepare import prepare
from tcdflow.record import lockfile
from tcdflow.record.document import Record
from tcdflow.spec.model import RunSpec
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweeps.metrics import measure
from tcdflow.sweeps.plan import Cell, Plan
from tcdflow.sweeps.scorers import choose
from tests.quick.files.fakes import weights

OPTUNA = ("hydra/sweeper=optuna", "sweep.metric=seconds", "sampling.eta=interval(0,1)")
JOBLIB = ("hydra/launcher=joblib", "sampling.eta=0,1")
RAY = ("hydra/launcher=ray", "sampling.eta=0,1")
VERBS = ("check", "fetch", "lock")


@pytest.mark.parametrize("words", [OPTUNA, JOBLIB, ("sampling.seed=random(4)",), (*JOBLIB, "sampling.seed=random(2)")])
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_run_takes_is_taken(
    verb: str, words: tuple[str, ...], at: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert dispatch([verb, "-m", *words]) == 0, capfd.readouterr().err
    assert "embedded:emoji at" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((*JOBLIB, "sweep.retry=2"), "sweep.retry: is not supported with hydra/launcher=joblib"),
        ((*JOBLIB, "sweep.sample.count=1"), "sweep.sample: is not supported with hydra/launcher=joblib"),
        ((*OPTUNA, "security.allow_pickle=true"), "security.allow_pickle: is not supported with hydra/sweeper=optuna"),
        ((*JOBLIB, "security.allow_pickle=true"), "security.allow_pickle: is not supported with hydra/launcher=joblib"),
        ((*RAY, "hydra.launcher.workers=0"), "hydra.launcher.workers = 0: must be at least 1"),
        ((*OPTUNA, RAY[0], "hydra.launcher.workers=0"), "hydra.launcher.workers = 0: must be at least 1"),
        ((*RAY, "runtime.device=cuda:1"), "runtime.device = 'cuda:1': each of Ray's workers has one GPU"),
        ((*OPTUNA, RAY[0], "runtime.device=cuda:1"), "runtime.device = 'cuda:1': each of Ray's workers has one GPU"),
        ((OPTUNA[2],), "sampling.eta: interval() needs a sweeper"),
        (("sampling.eta=0,1", "hydra.sweep.dir="), "hydra.sweep.dir: must not be empty; '.' is the working directory"),
        ((*JOBLIB, "hydra.sweep.dir="), "hydra.sweep.dir: must not be empty; '.' is the working directory"),
        (("sampling.eta=0,1", "hydra.sweep.dir=${nope}"), "hydra.sweep.dir: Interpolation key 'nope' not found"),
        ((*JOBLIB, "hydra.sweep.dir=${nope}"), "hydra.sweep.dir: Interpolation key 'nope' not found"),
        (("sampling.eta=0,1", "hydra.verbose=nan"), "hydra.verbose = nan: must be true, false, or the names of"),
        ((*JOBLIB, "hydra.verbose=nan"), "hydra.verbose = nan: must be true, false, or the names of loggers"),
        (("sampling.seed=random(0)",), "sampling.seed: random(N) draws 1 to 10000 seeds"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_what_a_run_refuses_is_refused(
    words: tuple[str, ...], what: str, at: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = []
    for verb in ((), *((verb,) for verb in VERBS)):
        assert dispatch([*verb, "-m", *words]) == 2
        said.append(capfd.readouterr())
    assert said[0].err.startswith(f"tcdflow: {what}") and set(said) == {said[0]}
    assert not list(at.iterdir())


def test_where_it_would_go_is_looked_at_by_check_alone(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A sweep is fetched on one machine and run on another."""
    composer = Composer()
    words = ["sampling.eta=0,1", "hydra.sweep.dir=there"]
    planned = PlannedSweep.prepare(composer, words, drive(composer, words))
    assert planned.directory == Path("there")
    Path("there").mkdir()
    planned.plan.write(Path("there"))
    assert dispatch(["check", "-m", *words]) == 0
    Path("there/cells/0").mkdir(parents=True)
    Path("there/cells/0/run.json").touch()
    away = "hydra.launcher.address=127.0.0.1:1"
    for asked, what in (
        ([*words, "sampling.steps=2"], "hydra.sweep.dir: there holds another plan"),
        ([*JOBLIB, words[1]], "hydra.sweep.dir = 'there': holds runs already"),
        ([*RAY, away], "hydra.launcher.address = '127.0.0.1:1': no Ray answers there"),
    ):
        assert dispatch(["check", "-m", *asked]) == 2
        assert capfd.readouterr().err.startswith(f"tcdflow: {what}")
        assert dispatch(["fetch", "-m", *asked]) == dispatch(["lock", "-m", *asked]) == 0


def test_a_sweep_for_ray_is_prepared_without_validating_its_plan(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was composed is right, and the driver of the workers validates each batch once."""

    def spec(self: Plan, cell: Cell) -> RunSpec:
        raise AssertionError(f"{cell.name} is validated")

    monkeypatch.setattr(Plan, "spec", spec)
    assert isinstance(prepare(Composer(), RAY), PlannedSweep)


MIXED = ("runtime.deterministic=true,false", "runtime.device=cuda")
VARIES = "runtime.deterministic: varies on cuda, where cuBLAS keeps the workspace of a process's first run; make"


@pytest.mark.parametrize(
    ("words", "variable", "refused"),
    [
        (MIXED, None, VARIES),
        ((*MIXED, RAY[0]), None, VARIES),
        ((*MIXED, JOBLIB[0]), None, VARIES),
        ((*MIXED, *OPTUNA), None, VARIES),
        ((MIXED[0],), None, VARIES),
        (("runtime.device=cpu,cuda", MIXED[0], "sweep.zip=[[runtime.device,runtime.deterministic]]"), None, None),
        ((*MIXED, "hydra/launcher=submitit_local"), None, None),
        ((*MIXED, RAY[0], "hydra.launcher.address=head:6379"), None, None),
        (MIXED, ":16:8", None),
        (MIXED, ":4096:2", "runtime.deterministic = True: requires CUBLAS_WORKSPACE_CONFIG to be :16:8 or :4096:8"),
        ((MIXED[0], "runtime.device=cpu"), None, None),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_what_cublas_cannot_vary_is_refused_before_anything_is_loaded(
    words: tuple[str, ...], variable: str | None, refused: str | None, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (at / "driver").touch()
    monkeypatch.setattr(accelerator, "DRIVERS", (str(at / "driver"),))
    monkeypatch.setattr(accelerator, "version", lambda name: "2.9.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", variable)
    with pytest.raises(ConfigError, match=f"^{re.escape(refused)}") if refused else nullcontext():
        prepare(Composer(), words)


@pytest.mark.parametrize("verb", ["resume", "fetch"])
def test_what_has_no_plan_is_said_with_what_to_do(verb: str, at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("hydras/cells/0").mkdir(parents=True)
    assert dispatch([verb, "hydras"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(
        "tcdflow: hydras: has cells/ and no plan.json, as a sweep of Hydra's own sweepers and launch"
    )
    assert said.endswith("; run its command again with another hydra.sweep.dir\n")


def test_a_run_is_no_sweep_to_be_resumed(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("a run").mkdir()
    Path("a run/run.json").write_text("{}")
    assert dispatch(["resume", "a run"]) == 2
    told = "a run: is the directory of a run, which has no plan.json; tcdflow rerun 'a run' makes it again"
    assert capfd.readouterr().err == f"tcdflow: {told}\n"


@pytest.mark.parametrize("words", [JOBLIB, JOBLIB[1:]])
@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("my sweep", "my sweep"),
        ("'my sweep'", "my sweep"),
        ("a,b", "a,b"),
        ("of ${base.size}", "of 64"),
        ("eta ${sampling.eta}", "eta 0"),  # the first cell's
    ],
)
def test_the_directory_is_as_said(
    words: tuple[str, ...], said: str, where: str, at: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(["check", "-m", *words, f"hydra.sweep.dir={said}"]) == 0
    assert f"2 cells in {where}\n" in capfd.readouterr().out


def test_the_directory_that_is_shown_is_the_sweepers(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["check", "-m", *JOBLIB, "sweep.name=mine"]) == 0
    assert "2 cells in outputs/sweeps/mine\n" in capfd.readouterr().out


def test_the_config_that_is_printed_of_a_sweep_is_its_first_cells(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["-m", "--cfg", "job", "--package", "sampling", "sampling.eta=0.25,1"]) == 0
    assert "\neta: 0.25\n" in capfd.readouterr().out


def test_cells_that_are_made_once_are_told_where_they_are(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = "sampling.eta=0,0"
    assert dispatch(["check", "-m", asked]) == 0
    told = "tcdflow: warning: 2 cells asked for, 1 made: 1 the same as another (sampling.eta=0 twice)\n"
    assert capfd.readouterr().err == told
    assert dispatch(["check", "-m", "hydra/launcher=joblib", asked]) == 0  # whose jobs are Hydra's
    assert capfd.readouterr().err == ""


def test_seeds_are_drawn_once_whoever_reads_them(at: Path) -> None:
    composer = Composer()
    sweep = prepare(composer, ["hydra/launcher=joblib", "sampling.seed=random(3)"])
    assert not isinstance(sweep, PlannedSweep) and len(composer.seeds.drawn) == 3
    assert f"sampling.seed={','.join(map(str, composer.seeds.drawn))}" in sweep.texts
    assert sweep.first.spec.sampling.seed == composer.seeds.drawn[0]


def test_a_lock_of_random_seeds_finds_its_place(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["lock", "sampling.seed=[random(2),7]"]) == 0
    assert capfd.readouterr().out.endswith("tcdflow.lock.json\n")


def test_the_model_of_a_metric_is_held_to_the_lock(at: Path) -> None:
    folder = at / "clip"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights())
    (chosen,) = choose([f"clip={folder}"], lambda done, total: None)
    other = [file.model_copy(update={"sha256": "0" * 64}) for file in chosen.files]
    lockfile.write(Path("good.json"), chosen.files)
    lockfile.write(Path("other.json"), other)
    assert choose([f"clip={folder}"], lambda done, total: None, pins=lockfile.pins("good.json")) == [chosen]
    with pytest.raises(ConfigError, match=r"clip: .* has changed: its sha256 was 0{64}"):
        choose([f"clip={folder}"], lambda done, total: None, pins=Pins(other))
    record = Record(started="", spec={"prompt": "a fox"}, environment={})
    with pytest.raises(ConfigError, match=r"clip: .* has changed"):
        measure(SweepSpec(metric=("clip",), scorer=str(folder)), record, [Image.new("RGB", (8, 8))], "other.json")
