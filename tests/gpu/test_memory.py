"""A card's memory that runs out: one line, nothing of it is lost to the next run, and a sweep may go on with less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.vae import Decoder

import tcdflow
from tests.fidelity.same import equal
from tests.gpu.conftest import Run, words
from tests.standins import StandIns

pytestmark = pytest.mark.gpu

SIDE = 1024 if torch.version.cuda else 192  # of an image that takes much; the stand-in is slow
LARGE = (f"sampling.width={SIDE}", f"sampling.height={SIDE}")
Within = Callable[[float], AbstractContextManager[None]]


@pytest.fixture
def within(card: torch.device) -> Within:
    """``with within(bytes)``: no more of the card than that is to be had."""

    @contextmanager
    def limited(size: float) -> Iterator[None]:
        total = torch.cuda.get_device_properties(card).total_memory
        torch.cuda.set_per_process_memory_fraction(size / total)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)

    return limited


def peak(result: tcdflow.Result) -> int:
    found: int = result.record.execution["peak_memory_bytes"]
    return found


def test_a_run_after_one_that_had_too_little(run: Run, within: Within) -> None:
    small, large = run(), run(*LARGE)
    with within((peak(small) + peak(large)) / 2):
        with pytest.raises(torch.OutOfMemoryError):
            run(*LARGE)
        assert equal(run().images[0], small.images[0])
    assert equal(run(*LARGE).images[0], large.images[0])


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no more"), KeyboardInterrupt()], ids=["memory", "Ctrl-C"])
def test_a_run_after_one_that_ended_in_its_decode(
    error: BaseException, family: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """diffusers casts SDXL's VAE to float32 before it, and back only after it."""

    def fails(*args: object, **more: object) -> None:
        raise error

    first = run(family=family)
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "forward", fails)
        with pytest.raises(type(error)):
            run(family=family)
    assert equal(run(family=family).images[0], first.images[0])


def test_a_sweep_goes_on_with_offloading(standins: StandIns, run: Run, within: Within, tmp_path: Path) -> None:
    if torch.version.cuda is not None:
        pytest.skip("weights of so small a model are less than what a card gives at once")
    plain, moved = run(), run("runtime.offload=model")
    asked = words(standins, "cuda", (), "sd15")
    with within((peak(plain) + peak(moved)) / 2):
        swept = tcdflow.sweep(*asked, "sampling.seed=0,1", "sweep.out_of_memory=model", f"hydra.sweep.dir={tmp_path}")
    assert [one.status for one in swept] == ["done", "done"]
    assert equal(swept[0].image, plain.images[0])
    assert all("runtime.offload=model since it ran out of memory without" in one.record.warnings for one in swept)
