"""What fails is told, tried again as the plan says, and keeps nothing else from being made."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tcdflow.errors import ConfigError, OutputError, Problem, out_of_memory
from tcdflow.record import document
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.runner import Runner, pending
from tests.sweep.fake import Sweep, statuses
from tests.zygote.client import Zygote

OOM = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")


class Once:
    """Fails for one seed, a number of times."""

    def __init__(self, error: BaseException, times: int = 1, seed: int = 2) -> None:
        self.error, self.times, self.seed = error, times, seed

    def __call__(self, spec: RunSpec) -> BaseException | None:
        if spec.sampling.seed != self.seed or not self.times:
            return None
        self.times -= 1
        return self.error


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def warnings(sweep: Sweep, outcome: Outcome) -> list[str]:
    return document.read(cell_path(sweep.directory, outcome.cell)).warnings


def test_the_rest_is_made(sweep: Sweep) -> None:
    sweep.engine.fail = Once(ValueError("no"), 9)
    outcomes = sweep.run("sampling.seed=1,2,3")
    assert statuses(outcomes) == ["done", "failed", "done"]
    record = document.read(cell_path(sweep.directory, outcomes[1].cell))
    assert record.status == "failed" and record.error is not None and record.error.message == "no"
    assert sweep.engine.closed == 1, "what a failure leaves behind is not trusted"


def test_stop(sweep: Sweep) -> None:
    sweep.engine.fail = Once(ValueError("no"), 9)
    assert statuses(sweep.run("sampling.seed=1,2,3,4", "sweep.on_error=stop")) == ["done", "failed", "left", "left"]
    sweep.engine.fail = lambda spec: None
    assert statuses(sweep.resume()) == ["skipped", "failed", "done", "done"]


def test_retry_with_a_pause(sweep: Sweep, slept: list[float]) -> None:
    sweep.engine.fail = Once(ValueError("not yet"), 2)
    outcomes = sweep.run("sampling.seed=1,2", "sweep.retry=2", "sweep.retry_pause=7")
    assert statuses(outcomes) == ["done", "done"] and slept == [7.0, 7.0]
    assert [outcome.attempts for outcome in outcomes] == [1, 3]
    assert warnings(sweep, outcomes[1]) == ["tried again after ValueError: not yet"] * 2
    assert ",3," in (sweep.directory / "results.csv").read_text().splitlines()[2]


def test_retries_end(sweep: Sweep) -> None:
    sweep.engine.fail = Once(ValueError("never"), 9)
    outcomes = sweep.run("sampling.seed=2,3", "sweep.retry=2")
    assert statuses(outcomes) == ["failed", "done"] and outcomes[0].attempts == 3


@pytest.mark.parametrize("error", [ConfigError([Problem("loras.x", "does not fit")])])
def test_a_wrong_request_is_not_tried_again(error: Exception, sweep: Sweep, slept: list[float]) -> None:
    sweep.engine.fail = Once(error, 9)
    outcomes = sweep.run("sampling.seed=1,2", "sweep.retry=5")
    assert statuses(outcomes) == ["done", "failed"] and slept == [] and len(sweep.engine.runs) == 2
    assert "does not fit" in str(outcomes[1].reason)


@pytest.mark.parametrize("retry", [0, 2])
def test_out_of_memory_is_tried_once_more_on_an_empty_device(retry: int, sweep: Sweep, slept: list[float]) -> None:
    sweep.engine.fail = Once(OOM)
    outcomes = sweep.run("sampling.seed=1,2,3", f"sweep.retry={retry}")
    assert statuses(outcomes) == ["done"] * 3 and sweep.engine.closed == 1 and slept == [0]
    assert warnings(sweep, outcomes[1]) == [f"tried again after OutOfMemoryError: {OOM}"]
    assert warnings(sweep, outcomes[0]) == warnings(sweep, outcomes[2]) == []


def test_out_of_memory_again_is_a_failure(sweep: Sweep) -> None:
    sweep.engine.fail = Once(OOM, 9)
    outcomes = sweep.run("sampling.seed=1,2,3")
    assert statuses(outcomes) == ["done", "failed", "done"] and outcomes[1].attempts == 2
    assert "out of memory" in str(outcomes[1].reason)


def test_out_of_memory_with_offload_where_allowed(sweep: Sweep) -> None:
    sweep.engine.fail = Once(OOM)
    outcomes = sweep.run("sampling.seed=1,2", "sweep.out_of_memory=model")
    assert [spec.runtime.offload for spec in sweep.engine.runs] == ["none", "none", "model"]
    assert "runtime.offload=model since it ran out of memory without" in warnings(sweep, outcomes[1])
    assert statuses(sweep.resume()) == ["skipped"] * 2


@pytest.mark.parametrize(
    ("error", "so"),
    [
        (OOM, True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:115] . DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("shapes differ"), False),
        (ConfigError([Problem("x", "out of memory")]), False),
        (OutputError("disk full"), False),
    ],
)
def test_what_is_out_of_memory(error: Exception, so: bool) -> None:
    assert out_of_memory(error) == so


def test_an_interrupt_ends_the_sweep(sweep: Sweep) -> None:
    sweep.engine.fail = Once(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep.run("sampling.seed=1,2,3")
    record = document.read(cell_path(sweep.directory, sweep.runner.plan.cells[1]))
    assert record.status == "interrupted"
    assert statuses(sweep.resume()) == ["skipped", "done", "done"]


def test_an_interrupt_that_a_library_swallowed(sweep: Sweep) -> None:
    sweep.engine.fail = Once(ImportError("half an import"))
    plan = sweep.plan("sampling.seed=1,2,3")
    heard: Callable[[], bool] = lambda: len(sweep.engine.runs) == 2  # noqa: E731
    running = Runner(plan, sweep.directory, sweep.engine, interrupted=heard)
    with pytest.raises(KeyboardInterrupt):
        list(running.run(pending(plan, sweep.directory)))


def test_exit_status_and_what_is_said(zygote: Zygote, at: Path, standin_lora: Path) -> None:
    """A LoRA of which only loading tells that it does not fit."""
    sources = f"loras.tcd.source=embedded:emoji/tcd_lora,{standin_lora}"
    done = zygote.run("-m", sources, "sampling.steps=1", "hydra.sweep.dir=s", cwd=at)
    assert done.status == 1, done.err
    assert done.out.count("000.png") == 1
    assert "failed: 001_" in done.err and "1 done, 1 failed" in done.err
    assert "s/sweep.log" in done.err and "tcdflow resume --retry-failed s" in done.err
    assert "Traceback" not in done.err
    again = zygote.run("resume", "s", cwd=at)
    assert again.status == 1 and "1 skipped, 1 failed" in again.err
