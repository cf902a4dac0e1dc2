"""Sweepers and launchers of others: Hydra drives, and a job answers for all that a single run does."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch
import yaml
from hydra.types import RunMode
from PIL import Image
from safetensors.torch import load_file, save_file

from tcdflow.cli.command import dispatch
from tcdflow.cli.engines import shared
from tcdflow.cli.multirun import show
from tcdflow.config import plugins
from tcdflow.config.axes import ends
from tcdflow.config.compose import Composer
from tcdflow.config.plugins import Drive, drive
from tcdflow.errors import ConfigError, Problem, RecordError
from tcdflow.files.hashes import sha256_file
from tcdflow.multirun.hydra_sweep import Task
from tcdflow.record import document
from tcdflow.record.document import Record
from tcdflow.spec.metrics import Subject
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweeps.metrics import measure, value
from tcdflow.sweeps.scorers import choose
from tests.helpers import GLOBAL, Write, until
from tests.standins.gallery import page_data
from tests.standins.scorers import write_clip
from tests.zygote.client import Zygote

OPTUNA = ("hydra/sweeper=optuna", "sweep.metric=sharpness", "sampling.eta=interval(0,1)")
SMALL = ("sampling.steps=1", "hydra.sweep.dir=s")


def records(directory: Path) -> dict[str, Record]:
    return {path.parent.name: document.read(path.parent) for path in sorted(directory.rglob("run.json"))}


Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(at: Path, capfd: pytest.CaptureFixture[str]) -> Said:
    """Run a sweep in this process: its exit status, and what it says of itself."""

    def run(*overrides: str) -> tuple[int, str]:
        status = dispatch(["-m", *overrides])
        return status, capfd.readouterr().err

    return run


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["hydra/sweeper=optna"], ["hydra/sweeper = 'optna'", "basic, optuna", "did you mean 'optuna'"]),
        (["hydra/launcher=joblb", "sampling.eta=0,1"], ["hydra/launcher = 'joblb'", "did you mean 'joblib'"]),
        (["hydra/launcher=joblib,basic", "sampling.eta=0,1"], ["hydra/launcher", "cannot vary"]),
        ([*OPTUNA, "hydra.sweeper.n_trails=3"], ["n_trails", "did you mean 'hydra.sweeper.n_trials'"]),
        ([*OPTUNA, "hydra.sweeper.n_trials=many"], ["hydra.sweeper.n_trials", "'many'"]),
        ([*OPTUNA, "hydra.sweeper.direction=up"], ["hydra.sweeper.direction = 'up'", "minimize or maximize"]),
        ([*OPTUNA, "hydra.sweeper.direction=[minimize,minimize]"], ["hydra.sweeper.direction", "one number"]),
        ([*OPTUNA, "sweep.metric=psnr"], ["sweep.metric = 'psnr'", "tcdflow measure DIR psnr --against"]),
        ([*OPTUNA, "sweep.metric=[complexity,seconds]"], ["such as [maximize,minimize]", "2 numbers"]),
        ([*OPTUNA, "sweep.metric=[seconds,seconds]"], ["sweep.metric", "each once"]),
        ([*OPTUNA, "sweep.scorer=x"], ["sweep.scorer", "no effect without sweep.metric=clip or pickscore"]),
        ([*OPTUNA, "sweep.metric=clip", "sweep.scorer=nowhere/"], ["sweep.scorer", "nowhere/"]),
        ([*OPTUNA, "hydra.sweeper.params={a:1}"], ["hydra.sweeper.params", "overrides"]),
        ([*OPTUNA, "hydra.sweeper.sampler._target_=os.getcwd"], ["_target_", "configs are data"]),
        ([*OPTUNA, "hydra.sweeper.sampler={_target_: os.getcwd}"], ["_target_", "configs are data"]),
        ([*OPTUNA, "hydra.sweeper={_target_: os.getcwd}"], ["_target_", "configs are data"]),
        ([*OPTUNA[:2], "sampling.eta=interval(0,2)"], ["sampling.eta = 2", "at most 1"]),
        ([*OPTUNA[:2], "sampling.ata=interval(0,1)"], ["sampling.ata", "did you mean 'eta'"]),
        ([*OPTUNA, "loras.tcd.source=no/such.safetensors"], ["loras.tcd.source", "no/such.safetensors"]),
        ([OPTUNA[0], OPTUNA[2]], ["sweep.metric", "must be given", "seconds"]),
        ([OPTUNA[0], OPTUNA[2], "sweep.metric=sharpnes"], ["sweep.metric", "did you mean 'sharpness'"]),
        ([*OPTUNA, "sweep.retry=2"], ["sweep.retry", "not supported with hydra/sweeper=optuna"]),
        (["hydra/launcher=joblib", "sampling.eta=0,2,3"], ["2 things are wrong", "eta = 2", "eta = 3"]),
        (["hydra/launcher=joblib", "sampling.eta=0,1", "sweep.zip=[]", "sweep.on_error=stop"], ["sweep.on_error"]),
        (["sampling.eta=interval(0,1)"], ["sampling.eta", "hydra/sweeper=optuna"]),
        (["sampling.eta=0,1", "sweep.metric=sharpness"], ["sweep.metric", "results.csv has all"]),
        (["sampling.eta=0,1", "hydra.launcher.n_jobs=2"], ["hydra.launcher.n_jobs", "hydra/launcher=basic"]),
    ],
    ids=lambda part: " ".join(part) if isinstance(part[0], str) and "=" in part[0] else "",
)
def test_a_mistake_is_answered_before_anything_is_made(
    overrides: list[str], words: list[str], said: Said, at: Path
) -> None:
    status, err = said(*overrides)
    assert status == 2, err
    assert all(word in err for word in words), err
    assert "Traceback" not in err and (err.count("\n") == 1 or "things are wrong" in err)
    assert not list(at.iterdir())


@pytest.mark.parametrize(("option", "extra"), [("optuna", "sweepers"), ("joblib", "sweepers"), ("ray", "ray")])
def test_what_is_not_installed_says_what_to_install(option: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    composer = Composer()
    group = "hydra/sweeper" if option == "optuna" else "hydra/launcher"
    if option == "ray":  # the plug-in is tcdflow's own, and there without Ray itself
        monkeypatch.setattr(plugins, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(composer, "options", lambda group: ("basic",) if group.startswith("hydra/") else ())
    with pytest.raises(ConfigError, match=rf"{group} = '{option}': is not installed; pip install 'tcdflow\[{extra}\]'"):
        drive(composer, [f"{group}={option}"])


def test_what_drives(composer: Composer) -> None:
    assert drive(composer, ["sampling.eta=0,1"]) == Drive("basic", "basic") and Drive().planned
    assert not drive(composer, list(OPTUNA)).planned
    assert not drive(composer, ["hydra/launcher=submitit_local"]).planned


def test_the_ends_of_what_a_sweeper_chooses(composer: Composer) -> None:
    overrides = ["base=emoji", "sampling.eta=interval(0,1)", "sampling.steps='range(2,9,3)'", "prompt=a fox\\, red,b"]
    overrides = [text.replace("'", "") for text in overrides]
    first, last = ends(composer, overrides)
    assert first == ("base=emoji", "sampling.eta=0.0", "sampling.steps=2", "prompt='a fox, red'")
    assert last == ("base=emoji", "sampling.eta=1.0", "sampling.steps=8", "prompt='b'")


def test_check_shows_what_is_known(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["check", "-m", *OPTUNA]) == 0
    out = capsys.readouterr().out
    assert "hydra/sweeper=optuna chooses its cells, by sharpness" in out and "eta 0," in out and "embedded:emoji" in out
    assert not list(at.iterdir())


@pytest.mark.parametrize(
    ("metric", "direction", "told"),
    [
        ("sharpness", None, "higher is better, and hydra.sweeper.direction is minimize"),
        ("sharpness", "minimize", None),
        ("sharpness", "maximize", None),
        ("seconds", None, None),
    ],
)
def test_a_metric_that_is_optimized_the_wrong_way_unasked_is_a_warning(
    metric: str, direction: str | None, told: str | None, at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"hydra.sweeper.direction={direction}"] if direction else []
    assert dispatch(["check", "-m", OPTUNA[0], f"sweep.metric={metric}", OPTUNA[2], *asked]) == 0
    shown = "".join(capsys.readouterr())
    assert ("is better" in shown) == (told is not None) and (told or "") in shown


def test_optuna_finds_the_best_of_what_it_tried(said: Said, at: Path) -> None:
    sweeper = [f"hydra.sweeper.{said}" for said in ("n_trials=5", "n_jobs=1", "direction=maximize", "sampler.seed=1")]
    status, err = said(*OPTUNA, *SMALL, *sweeper, "loras.tcd.weight=0.5,1")
    assert status == 0, err
    found = records(at / "s")
    assert {record.status for record in found.values()} == {"done"} and len(found) == 5
    page = page_data(at / "s" / "index.html")
    assert {axis["key"] for axis in page["axes"]} == {"sampling.eta", "loras.tcd.weight"} and len(page["cells"]) == 5
    best = yaml.safe_load((at / "s" / "optimization_results.yaml").read_text())
    tried = {name: record.execution["metrics"]["sharpness"] for name, record in found.items()}
    name = max(tried, key=lambda name: tried[name])
    assert best["best_value"] == pytest.approx(tried[name])
    # The record has the trial's overrides, as a single run would be told, and such a run makes the same image.
    told = found[name].overrides
    assert f"sampling.eta={best['best_params']['sampling.eta']}" in told
    assert len({record.key for record in found.values()}) == 5
    assert dispatch([*told, "hydra.run.dir=alone"]) == 0
    alone = document.read(at / "alone")
    assert alone.key == found[name].key
    assert [o.pixel_sha256 for o in alone.outputs] == [o.pixel_sha256 for o in found[name].outputs]
    assert "best sharpness" in err and "5 jobs" in err
    assert "A new study created" in err and "\x1b" not in err
    status, err = said(*OPTUNA, *SMALL)
    assert status == 2 and "hydra.sweep.dir = 's': holds runs already" in err


def test_several_metrics_are_optimized_one_by_a_model(said: Said, at: Path) -> None:
    clip = write_clip(at.parent / "tiny-clip")
    asked = ["hydra/sweeper=optuna", "sweep.metric=[clip,seconds]", f"sweep.scorer={clip}", OPTUNA[2]]
    sweeper = [f"hydra.sweeper.{text}" for text in ("n_trials=2", "n_jobs=1", "direction=[maximize,minimize]")]
    status, err = said(*asked, *SMALL, *sweeper)
    assert status == 0, err
    found = records(at / "s")
    tried = [(one.execution["metrics"]["clip_tiny-clip"], value("seconds", one)) for one in found.values()]
    solutions = yaml.safe_load((at / "s" / "optimization_results.yaml").read_text())["solutions"]
    assert [one["values"] for one in solutions] and all(tuple(one["values"]) in tried for one in solutions)
    assert "that no other beats in clip, seconds" in err
    scorers = [one.execution["scorers"]["clip_tiny-clip"] for one in found.values()]
    assert all(one["source"] == str(clip) and one["files"]["model.safetensors"] for one in scorers)
    data = page_data(at / "s" / "index.html")
    assert "clip_tiny-clip" in {metric["name"] for metric in data["metrics"] if metric["better"] == "high"}
    (chosen,) = choose([f"clip={clip}"], lambda done, total: None)
    scorer = chosen.load()
    for path in (at / "s").rglob("run.json"):
        record = document.read(path.parent)
        subject = Subject(Image.open(path.with_name("000.png")).convert("RGB"), record.spec["prompt"])
        assert record.execution["metrics"]["clip_tiny-clip"] == pytest.approx(scorer([subject])[0], abs=1e-3)


def test_jobs_and_what_comes_after_them_share_what_is_loaded(at: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with shared() as engine:
        assert dispatch(["-m", *OPTUNA, "hydra.sweeper.n_trials=2", "hydra.sweep.dir=there"]) == 0
        assert dispatch(["prompt=a fox", "sampling.steps=1", "hydra.run.dir=one"]) == 0
        assert engine().bases_loaded == 1


def test_a_model_that_is_another_by_now_is_loaded_again(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip")
    image = Image.effect_mandelbrot((48, 40), (-2, -1.5, 1, 1.5), 20).convert("RGB")

    def measured() -> tuple[float, str]:
        record = Record(started="", spec={"prompt": "a cat"}, environment={"device": "cpu"})
        measure(SweepSpec.model_validate({"metric": "clip", "scorer": str(clip)}), record, [image])
        files = record.execution["scorers"]["clip_clip"]["files"]
        return record.execution["metrics"]["clip_clip"], files["model.safetensors"]

    first = measured()
    weights = load_file(clip / "model.safetensors")
    changed = {name: -one if "visual_projection" in name else one for name, one in weights.items()}
    save_file(changed, clip / "model.safetensors", metadata={"format": "pt"})
    second = measured()
    assert first[0] != second[0] and second[1] == sha256_file(clip / "model.safetensors") != first[1]


def test_a_failed_job_is_one_line(said: Said, at: Path, standin_lora: Path) -> None:
    overrides = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1", "sampling.seed=1"]
    status, err = said(*overrides, *SMALL, f"loras.tcd.source={standin_lora}")
    assert status == 1
    (line,) = (line for line in err.splitlines() if line.startswith("tcdflow: "))
    assert "s/cells/0: loras.tcd.source" in line and "Traceback" not in err and "Error executing" not in err
    (record,) = records(at / "s").values()
    assert record.status == "failed" and record.error is not None and record.error.type == "ConfigError"


@pytest.mark.parametrize(
    ("launcher", "seeds"), [("joblib", "1"), pytest.param("submitit_local", "1", marks=pytest.mark.slow)]
)
def test_other_processes_make_the_same_images(launcher: str, seeds: str, said: Said, zygote: Zygote, at: Path) -> None:
    axes = (f"sampling.seed={seeds}", "sampling.steps=1")
    done = zygote.run("-m", f"hydra/launcher={launcher}", *axes, "hydra.sweep.dir=there", cwd=at)
    assert done.status == 0, done.err
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert said(*axes, "hydra.sweep.dir=here")[0] == 0
    finally:
        torch.set_num_threads(threads)
    there, here = records(at / "there"), records(at / "here")
    assert {record.environment["threads"] for record in (*there.values(), *here.values())} == {1}
    assert pixels(there) == pixels(here) and pixels(here).keys() == {int(seed) for seed in seeds.split(",")}


def pixels(found: dict[str, Record]) -> dict[int, str]:
    """The hash of each image, by its seed."""
    return {record.outputs[0].seed: record.outputs[0].pixel_sha256 for record in found.values()}


def test_the_guard_goes_along_to_other_processes(configs: Write, tmp_path: Path) -> None:
    """A file that is swapped once the sweep is on its way is refused where the job is composed."""
    good = GLOBAL + "prompt: a blue star\n"
    where = configs({"experiment/mine.yaml": good})
    composer = Composer(where)
    config = composer.hydra.compose_config("config", ["experiment=mine"], RunMode.MULTIRUN, False)
    loader, task = pickle.loads(cloudpickle.dumps((composer.loader, Task(composer, show))))
    assert task.composer.loader is loader, "what Hydra composes with is what the job asks for origins"
    assert loader.load_sweep_config(config, ["experiment=mine"]).prompt == "a blue star"
    witness = tmp_path / "witness"
    target = f"{{_target_: pathlib.Path.touch, self: {witness}}}"
    for evil in (f"hydra: {{callbacks: {{x: {target}}}}}\n", "hydra: {job: {env_set: {A: b}}}\n", f"x: {target}\n"):
        configs({"experiment/mine.yaml": GLOBAL + evil})
        with pytest.raises(ConfigError):
            loader.load_sweep_config(config, ["experiment=mine"])
    assert not witness.exists()


def one_is_done(at: Path) -> bool:
    """Say whether a cell is done; what changes while it is looked at is looked at again."""
    try:
        return any(record.status == "done" for record in records(at).values())
    except (OSError, RecordError):
        return False


def test_an_interrupt_ends_it(zygote: Zygote, at: Path) -> None:
    process = zygote.start("-m", *OPTUNA, "hydra.sweeper.n_trials=500", "hydra.sweep.dir=s", cwd=at)
    until(lambda: process.ended() or one_is_done(at))
    process.send(signal.SIGINT)
    answer = process.end()
    assert answer.status == 130 and "tcdflow: interrupted" in answer.err and "Traceback" not in answer.err, answer
    found = {record.status for record in records(at).values()}
    assert found <= {"done", "interrupted"} and "done" in found


def test_errors_survive_the_way_between_processes() -> None:
    error = ConfigError([Problem("a.b", "is wrong", 3, "here", "a.c"), Problem("c", "too")])
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.problems == error.problems


def test_seconds_leave_out_what_depends_on_the_run_before() -> None:
    execution: dict[str, Any] = {
        "seconds": {"load": 5.0, "loras": 1.0, "encode": 0.25, "denoise": 0.5},
        "metrics": {"sharpness": 3.5, "complexity": 0.125},
    }
    record = Record(started="", spec={}, environment={}, execution=execution)
    assert value("seconds", record) == 0.75
    assert (value("sharpness", record), value("complexity", record)) == (3.5, 0.125)
