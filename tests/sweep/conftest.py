"""A sweep at hand: planned on the embedded model, and run by an engine that draws without torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sweep.fake import FakeEngine, Sweep


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    where = tmp_path / "here"
    where.mkdir()
    monkeypatch.chdir(where)
    return where


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def sweep(at: Path, engine: FakeEngine) -> Sweep:
    """Plans and runs sweeps below the working directory."""
    return Sweep(at / "sweep", engine)


@pytest.fixture
def standin_lora(tmp_path: Path) -> Path:
    """A LoRA of which only loading tells that it does not fit."""
    import torch
    from safetensors.torch import save_file

    where = tmp_path / "strange.safetensors"
    name = "unet.no_such.attn1.to_q.lora"
    save_file({f"{name}_A.weight": torch.zeros(4, 32), f"{name}_B.weight": torch.zeros(32, 4)}, where)
    return where
