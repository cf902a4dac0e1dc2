"""A batch that is computed in parts, or by several processes, gives the same LoRA but for rounding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.distill.conftest import SMALL, Distil
from tests.helpers import environment
from tests.zygote.client import Zygote

LORA = "lora/pytorch_lora_weights.safetensors"
EMOJI = ('data.prompts=["a red heart","a fox"]', "distill.batch=4", "distill.checkpoint.every=4")
TOLERANCE = 1e-3
"""Of what training has changed: Adam turns the rounding of gradients near 0 into steps."""


def trained(folder: Path) -> torch.Tensor:
    """The weights of a LoRA that began as zeros."""
    weights = load_file(folder / LORA)
    return torch.cat([weight.flatten() for name, weight in sorted(weights.items()) if "lora_B" in name])


def distance(one: Path, other: Path) -> float:
    """Of two LoRAs, in shares of what training has changed."""
    return float((trained(one) - trained(other)).norm() / trained(other).norm())


@pytest.fixture(scope="module")
def whole(distil_small: Distil, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    distil_small(folder, *EMOJI)
    return folder


def test_parts_of_a_batch(whole: Path, tmp_path: Path, distil_small: Distil) -> None:
    distil_small(tmp_path, *EMOJI, "distill.accumulation=2", "distill.gradient_checkpointing=true")
    assert distance(tmp_path, whole) < TOLERANCE, distance(tmp_path, whole)


@pytest.mark.slow
def test_two_processes(whole: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m", "tcdflow"]
    command = [*launch, "distill", *SMALL, *EMOJI, "hydra.run.dir=out"]
    env = environment({"OMP_NUM_THREADS": "1"})
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"out/{LORA}\n"
    assert distance(tmp_path / "out", whole) < TOLERANCE


@pytest.mark.slow  # a hundred times where the CPU has no instructions for bfloat16
def test_half_precision(tmp_path: Path, zygote: Zygote) -> None:
    more = ("distill.precision=bfloat16", "distill.steps=1", "hydra.run.dir=out")
    done = zygote.run("distill", *SMALL, *EMOJI, *more, cwd=tmp_path)
    assert done.status == 0, done.err
    assert {weight.dtype for weight in load_file(tmp_path / "out" / LORA).values()} == {torch.float32}


@pytest.mark.slow
def test_lcm_makes_a_lora_for_its_sampler(tmp_path: Path, distil_small: Distil, zygote: Zygote) -> None:
    distil_small(tmp_path / "out", *EMOJI, "distill=lcm", "distill.steps=1", "distill.batch=1")
    mine = ("loras=[]", f"loras.mine.source=out/{LORA}", "loras.mine.distilled=true")  # as the model card has it
    words = (*mine, "scheduler=lcm", "sampling.steps=1", "sampling.eta=0", "prompt=a fox")
    done = zygote.run(*words, cwd=tmp_path)
    assert done.status == 0, done.err
    assert "warning" not in done.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_card_that_is_not_there_is_one_line(tmp_path: Path, zygote: Zygote) -> None:
    done = zygote.run("distill", *SMALL, "distill.device=cuda", "hydra.run.dir=out", cwd=tmp_path)
    assert (done.status, done.err) == (2, "tcdflow: distill.device = 'cuda': this machine has cpu\n")
    assert not (tmp_path / "out").exists()
