"""A process's cuBLAS workspace is settled by its first run on cuda."""

from __future__ import annotations

import os

import pytest
import torch

from tcdflow.errors import ConfigError, RunError
from tcdflow.pipeline.cublas import VARIABLE, Workspace
from tcdflow.pipeline.optimizations import computing
from tcdflow.spec.model import RuntimeSpec


@pytest.mark.parametrize("first", [True, False])
def test_a_run_that_needs_another_one_is_refused(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    workspace = Workspace()
    workspace.settle("cpu", deterministic=not first)
    for _ in range(2):
        workspace.settle("cuda", deterministic=first)
    had = rf"what this process first computed on cuda had {str(first).lower()}, .*TCDFLOW_WARM=0"
    with pytest.raises(ConfigError, match=rf"runtime\.deterministic = {not first}: {had}") as caught:
        workspace.settle("cuda", deterministic=not first)
    assert "\n" not in str(caught.value)
    workspace.settle("cuda", deterministic=first)
    workspace.settle("cpu", deterministic=not first)


def test_where_the_user_has_set_it_runs_may_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, ":4096:8")
    workspace = Workspace()
    for deterministic in (False, True, False):
        workspace.settle("cuda", deterministic=deterministic)
    with computing(RuntimeSpec(deterministic=True)):
        assert os.environ[VARIABLE] == ":4096:8", "the user's is replaced"
    assert os.environ[VARIABLE] == ":4096:8"


def test_what_is_set_too_late_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    workspace = Workspace()
    workspace.settle("cuda", deterministic=False)
    monkeypatch.setenv(VARIABLE, ":16:8")
    with pytest.raises(ConfigError):
        workspace.settle("cuda", deterministic=True)


def test_models_of_metrics_settle_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    elsewhere = Workspace()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    elsewhere.used()
    elsewhere.settle("cuda", deterministic=True)
    workspace = Workspace()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    workspace.used()
    workspace.settle("cuda", deterministic=False)
    with pytest.raises(ConfigError):
        workspace.settle("cuda", deterministic=True)
    after_a_run = Workspace()
    after_a_run.settle("cuda", deterministic=True)
    after_a_run.used()
    after_a_run.settle("cuda", deterministic=True)


def test_one_that_is_not_deterministic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, ":4096:2:16:8")
    workspace = Workspace()
    workspace.settle("cuda", deterministic=False)
    with pytest.raises(ConfigError, match=r"to be :16:8 or :4096:8, and it is :4096:2:16:8"):
        workspace.settle("cuda", deterministic=True)


def test_a_program_that_has_used_it_before_is_told() -> None:
    runtime = RuntimeSpec(deterministic=True)
    with pytest.raises(RunError, match=f"has used cuBLAS before.* set {VARIABLE}=:16:8 before"), computing(runtime):
        raise RuntimeError("... not deterministic because it uses CuBLAS and you have CUDA >= 10.2.")
    assert not torch.are_deterministic_algorithms_enabled()
