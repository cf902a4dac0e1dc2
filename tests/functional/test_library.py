"""The library on the embedded model: sweeps, what they tell meanwhile, and what an interrupt leaves."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tcdflow
from tcdflow import embedded
from tcdflow.record import document

EMOJI = Path(embedded.__file__).parent / "emoji"
AXES = ("prompt=a red heart,a panda", "sampling.eta=0,1")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tcdflow.Results:
    return sweep(tmp_path_factory.mktemp("whole"))


def sweep(where: Path, *overrides: str, **arguments: object) -> tcdflow.Results:
    return tcdflow.sweep(*AXES, *overrides, f"hydra.sweep.dir={where}/s", **arguments)  # type: ignore[arg-type]


def hashes(results: tcdflow.Results) -> list[str]:
    return [image.shown.output.pixel_sha256 for image in results if image.shown.output is not None]


def test_a_sweep_is_what_the_command_line_leaves(results: tcdflow.Results) -> None:
    (directory,) = results.directories
    assert {(image["prompt"], image["sampling.eta"]) for image in results} == set(
        itertools.product(("a red heart", "a panda"), (0, 1))
    )
    assert {path.name for path in directory.iterdir()} >= {"plan.json", "results.csv", "index.html", "cells"}
    assert not (directory / ".running").exists()
    again = tcdflow.load(directory)
    assert list(again) == list(results) and hashes(again) == hashes(results)


def test_steps_are_told_and_what_is_there_is_not_made_again(results: tcdflow.Results) -> None:
    steps: list[tuple[int, int, int]] = []
    whole = sweep(results.directories[0].parent, on_step=lambda *step: steps.append(step))
    assert steps == [] and hashes(whole) == hashes(results)
    tcdflow.run(f"hydra.run.dir={results.directories[0].parent}/run", on_step=lambda *step: steps.append(step))
    assert steps == [(0, done, 4) for done in range(1, 5)]


def test_an_interrupt_leaves_true_records_and_the_same_call_goes_on(results: tcdflow.Results, tmp_path: Path) -> None:
    steps: list[int] = []

    def interrupt(image: int, done: int, of: int) -> None:
        steps.append(done)
        if len(steps) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        sweep(tmp_path, on_step=interrupt)
    (note,) = caught.value.__notes__
    assert "1 of 4 cells done; go on with: tcdflow resume" in note
    left = tcdflow.load(tmp_path / "s")
    assert [image.status for image in left] == ["done", "missing", "missing", "missing"]
    assert document.read(left[1].directory).status == "interrupted" and left[1].reason == "interrupted"
    first = f"prompt={results[0]['prompt']}", f"sampling.eta={results[0]['sampling.eta']}"
    run = tcdflow.run(*first, f"hydra.run.dir={tmp_path}/run")
    assert [run.record.outputs[0].pixel_sha256] == hashes(results[:1])
    assert hashes(sweep(tmp_path)) == hashes(results)


def test_what_fails_is_a_warning_and_a_reason(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    name, right = "unet.no_such.attn1.to_q.lora", EMOJI / "tcd_lora" / "pytorch_lora_weights.safetensors"
    wrong = tmp_path / "wrong.safetensors"
    save_file({f"{name}_A.weight": torch.zeros(4, 32), f"{name}_B.weight": torch.zeros(32, 4)}, wrong)
    with pytest.warns(tcdflow.TcdflowWarning, match="1 of 2 cells failed; the first: "):
        results = tcdflow.sweep(f"loras.tcd.source={right},{wrong}", f"hydra.sweep.dir={tmp_path}/s")
    assert sorted(image.status for image in results) == ["done", "failed"]
    assert results.filter("status=failed")[0].reason


def test_what_a_callback_raises_ends_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        sweep(tmp_path, on_step=lambda image, done, of: 1 / (done - 2))
    assert "0 of 4 cells done; go on with" in caught.value.__notes__[0]
    assert [image.status for image in tcdflow.load(tmp_path / "s")] == ["missing"] * 4


def test_what_is_probably_not_meant_is_a_warning_at_the_callers_line(tmp_path: Path) -> None:
    with pytest.warns(tcdflow.TcdflowWarning, match="is not one of them") as caught:
        tcdflow.run("prompt=a strange thing", f"hydra.run.dir={tmp_path}/run")
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error", tcdflow.TcdflowWarning)
        with pytest.raises(tcdflow.TcdflowWarning):
            tcdflow.sweep("prompt=a strange thing,a fox", f"hydra.sweep.dir={tmp_path}/s")
    assert not (tmp_path / "s").exists()


def test_images_of_another_run_that_are_replaced_are_told(tmp_path: Path) -> None:
    where = f"hydra.run.dir={tmp_path}"
    tcdflow.run("prompt=a fox", "sampling.steps=1", where)
    with pytest.warns(tcdflow.TcdflowWarning, match=r"000\.png of another run .*, which this one removes as it begins"):
        tcdflow.run("prompt=a panda", "sampling.steps=1", where)


def test_a_mistake_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(tcdflow.ConfigError, match=r"sampling.eta = 3"):
        sweep(tmp_path, "sampling.steps=2", "sampling.eta=3")
    with pytest.raises(tcdflow.ConfigError, match="is for the command line"):
        sweep(tmp_path, "hydra/launcher=joblib")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("progress", "drawn"), [(True, True), (None, False), (False, False)])
def test_bars_are_drawn_where_somebody_sees_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], progress: bool | None, drawn: bool
) -> None:
    tcdflow.sweep("sampling.seed=1,2", f"hydra.sweep.dir={tmp_path}/s", progress=progress)
    tcdflow.run(f"hydra.run.dir={tmp_path}/run", progress=progress)
    err = capfd.readouterr().err
    assert ("cells: " in err and "/2 [" in err and "steps: " in err) == drawn and bool(err) == drawn


def test_threads_make_the_images_of_one(tmp_path: Path) -> None:
    def run(seed: int, where: str) -> tuple[str, int]:
        given = ("prompt=a fox", f"sampling.seed={seed}", f"hydra.run.dir={tmp_path}/{where}/{seed}")
        record = tcdflow.run(*given, progress=False).record
        return record.outputs[0].pixel_sha256, record.execution["unet_calls"]

    alone = [run(seed, "alone") for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(run, range(4), itertools.repeat("threads"))) == alone


def test_a_run_within_a_run_is_refused(tmp_path: Path) -> None:
    told: list[str] = []

    def within(image: int, step: int, of: int) -> None:
        assert tcdflow.compose("prompt=a panda").prompt == "a panda"
        with pytest.raises(tcdflow.RunError) as error:
            tcdflow.run("prompt=a panda", f"hydra.run.dir={tmp_path}/within")
        told.append(str(error.value))

    tcdflow.run("sampling.steps=1", f"hydra.run.dir={tmp_path}/run", on_step=within)
    assert told == ["tcdflow.run was called within tcdflow.run; call it afterwards"]
    assert not (tmp_path / "within").exists()
    assert tcdflow.run("sampling.steps=1", f"hydra.run.dir={tmp_path}/run").record.status == "done"


@pytest.mark.parametrize("given", [["prompt=a fox"], {"prompt": "a fox"}, 3])
def test_overrides_that_are_no_texts(given: Any) -> None:
    for call in (tcdflow.run, tcdflow.sweep, tcdflow.compose):
        with pytest.raises(tcdflow.ConfigError, match=r"must be texts, one after the other, as in tcdflow\.run\("):
            call(given)


def test_directories_in_a_list(tmp_path: Path) -> None:
    given: Any = [tmp_path]
    with pytest.raises(tcdflow.RecordError, match="name directories one after the other"):
        tcdflow.load(given)
