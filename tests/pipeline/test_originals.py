"""What a fused stack has changed comes back bit for bit: from the base's files where it is there, else from a copy."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tcdflow.errors import RunError
from tcdflow.pipeline.loras import LoraStack
from tcdflow.pipeline.stored import StoredWeights
from tests.pipeline.test_loras import assert_same, entry, load, weights, whole
from tests.standins import StandIns


def weight_files(base: Path) -> Iterator[Path]:
    yield from sorted(base.rglob("*.safetensors"))


def tensor_bytes() -> int:
    """The bytes of all tensors that are alive, memory that several share counted once."""
    gc.collect()
    found = [item for item in gc.get_objects() if type(item) in (torch.Tensor, torch.nn.Parameter)]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in found}
    return sum(storages.values())


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def pipe(standins: StandIns, request: pytest.FixtureRequest) -> Any:
    return load(standins, "sd15", request.param)


def test_a_fused_stack_keeps_no_second_weights(standins: StandIns, pipe: Any) -> None:
    """Stand-ins are of float32: in bfloat16 what is read again has to be cast as on loading."""
    before, bare = weights(pipe), tensor_bytes()
    stack = LoraStack(pipe, stored=StoredWeights(weight_files(standins.base("sd15"))))
    stack.attach([whole(standins, "sd15", "tcd")], fuse=True)
    after = weights(pipe)
    changed = sum(one.nbytes for key, one in before.items() if not torch.equal(one, after[key]))
    del after
    assert tensor_bytes() - bare < changed / 4  # the first numbers of tensors that were looked at
    stack.detach()
    assert_same(before, weights(pipe))
    stack.attach([entry(standins, "sd15", "style_text")], fuse=True)
    stack.detach()
    assert_same(before, weights(pipe))


def test_of_what_is_not_in_the_files_a_copy_is_kept(standins: StandIns, pipe: Any, tmp_path: Path) -> None:
    """A single file has other names, and some libraries join or reshape tensors on loading."""
    stored = load_file(standins.base("sd15") / "unet" / "diffusion_pytorch_model.safetensors")
    save_file(
        {str(number): one for number, one in enumerate(list(stored.values())[::2])}, tmp_path / "half.safetensors"
    )
    before = weights(pipe)
    stack = LoraStack(pipe, stored=StoredWeights([tmp_path / "half.safetensors"]))
    for _ in range(2):
        stack.attach([entry(standins, "sd15", "style_text")], fuse=True)
        stack.detach()
        assert_same(before, weights(pipe))


@pytest.mark.parametrize("how", ["rewritten", "cut", "touched"])
def test_files_that_change_meanwhile_are_noticed(standins: StandIns, tmp_path: Path, how: str) -> None:
    base = shutil.copytree(standins.base("sd15"), tmp_path / "base")
    pipe = load(standins, "sd15")
    stack = LoraStack(pipe, stored=StoredWeights(weight_files(base)))
    stack.attach([entry(standins, "sd15", "tcd")], fuse=True)
    seen = [stack.restorable]
    file = base / "unet" / "diffusion_pytorch_model.safetensors"
    content = file.read_bytes()
    if how == "touched":
        os.utime(file)
    else:
        file.write_bytes(content[:-64] if how == "cut" else content[:-64] + bytes(64))
    seen.append(stack.restorable)
    assert seen == [True, False]  # so that the engine loads the base again
    with pytest.raises(RunError, match="while it was in use"):
        stack.detach()


def test_a_file_under_another_name_is_still_the_same(standins: StandIns, tmp_path: Path) -> None:
    """A folder that is replaced as a whole leaves what is open as it is, but for the time of its change."""
    base = shutil.copytree(standins.base("sd15"), tmp_path / "base")
    pipe = load(standins, "sd15")
    before = weights(pipe)
    stack = LoraStack(pipe, stored=StoredWeights(weight_files(base)))
    stack.attach([entry(standins, "sd15", "tcd")], fuse=True)
    base.rename(tmp_path / "moved")
    shutil.copytree(standins.base("sd15"), base)
    stack.detach()
    assert_same(before, weights(pipe))


def test_constants_and_signs_of_zero_are_told_apart(tmp_path: Path) -> None:
    """Equal numbers are not equal bits, and tensors of one shape may begin alike."""
    tensors = {str(n): torch.zeros(4, 32) for n in range(3)}
    tensors["1"][3, 31] = 1.0
    tensors["2"][3, 31] = -0.0
    save_file(tensors, tmp_path / "weights.safetensors")
    stored = StoredWeights([tmp_path / "weights.safetensors"])
    for tensor in tensors.values():
        found = stored.find(tensor)
        assert found is not None
        restored = torch.ones_like(tensor)
        found.restore(restored)
        assert torch.equal(restored.view(torch.int32), tensor.view(torch.int32))
    assert stored.find(torch.full((4, 32), 1e-9)) is None
    assert stored.find(torch.zeros(32, 4)) is None


@pytest.mark.parametrize("stored_as", [torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_of_a_large_tensor_the_last_number_counts_too(
    tmp_path: Path, stored_as: torch.dtype, memory_format: torch.memory_format
) -> None:
    """It is read part by part, and lies in memory in another order than in its file."""
    stored = torch.randn(96, 700, 3, 3).to(stored_as)
    save_file({"weight": stored}, tmp_path / "weights.safetensors")
    weight = stored.float().contiguous(memory_format=memory_format)
    found = StoredWeights([tmp_path / "weights.safetensors"]).find(weight)
    assert found is not None
    restored = torch.zeros_like(weight)
    found.restore(restored)
    assert torch.equal(restored, weight) and restored.stride() == weight.stride()
    weight[-1, -1, -1, -1] += 1
    assert not found.holds(weight)
