"""What is exported: the same bytes each time, and in plain diffusers the student's own output, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save, save_file

from tcdflow.distill.canonical import canonical
from tcdflow.distill.export import export
from tcdflow.distill.student import Student
from tcdflow.embedded import model_path
from tcdflow.errors import RunError
from tcdflow.libraries.diffusers import lora_warnings
from tcdflow.spec.distill import METHODS, Distillation

ARGUMENTS = {
    "sample": torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)),
    "timestep": torch.tensor([999]),
    "encoder_hidden_states": torch.randn(1, 16, 128, generator=torch.Generator().manual_seed(1)),
}


def settings(**more: Any) -> Distillation:
    plain = {"method": "tcd", "steps": 1, "batch": 1, "guidance": 5, "rank": 4, "alpha": 3.0}
    return METHODS["tcd"].model_validate(plain | more)


def unet() -> Any:
    return UNet2DConditionModel.from_pretrained(model_path("emoji") / "unet", dtype=torch.float32)


@pytest.fixture
def student() -> Student:
    """A student with weights as after many steps; a new LoRA's have no effect."""
    student = Student(unet(), settings())
    generator = torch.Generator().manual_seed(0)
    shapes = {name: weight.shape for name, weight in student.weights.items()}
    student.load({name: torch.randn(shape, generator=generator) * 0.05 for name, shape in shapes.items()})
    return student


@torch.no_grad()
def test_the_file_in_plain_diffusers(student: Student, tmp_path: Path) -> None:
    (trained,) = student.unet(**ARGUMENTS, return_dict=False)
    file = export(student, StableDiffusionPipeline, tmp_path, ARGUMENTS)
    fresh = unet()
    (base,) = fresh(**ARGUMENTS, return_dict=False)
    with lora_warnings() as warned:
        fresh.load_lora_adapter(str(file.parent), weight_name=file.name, prefix="unet")
    (loaded,) = fresh(**ARGUMENTS, return_dict=False)
    assert warned == []
    assert torch.equal(loaded, trained)
    assert not torch.allclose(loaded, base)
    with student.as_teacher():
        assert torch.equal(student.unet(**ARGUMENTS, return_dict=False)[0], base)
    assert all(weight.requires_grad for weight in student.weights.values())


def test_a_file_that_is_not_what_was_trained_is_found_out(student: Student, tmp_path: Path) -> None:
    class Lossy(StableDiffusionPipeline):  # type: ignore[misc]
        @classmethod
        def save_lora_weights(cls, folder: Path, unet_lora_layers: dict[str, torch.Tensor], **more: Any) -> None:
            half = {name: tensor.half().float() for name, tensor in unet_lora_layers.items()}
            super().save_lora_weights(folder, unet_lora_layers=half, **more)

    with pytest.raises(RunError, match="is not what was trained: its output differs by up to"):
        export(student, Lossy, tmp_path, ARGUMENTS)


def test_the_average_is_exported_and_the_weights_stay(student: Student, tmp_path: Path) -> None:
    before = {name: weight.detach().clone() for name, weight in student.weights.items()}
    average = {name: torch.full_like(weight, 0.01) for name, weight in before.items()}
    with student.holding(average):
        file = export(student, StableDiffusionPipeline, tmp_path, ARGUMENTS)
    assert all(bool((tensor == 0.01).all()) for tensor in load_file(file).values())
    assert all(torch.equal(weight, before[name]) for name, weight in student.weights.items())


def test_a_new_lora_depends_on_the_seed_alone() -> None:
    one, other = Student(unet(), settings()), Student(unet(), settings())
    assert all(torch.equal(weight, other.weights[name]) for name, weight in one.weights.items())
    first = {name: weight for name, weight in one.weights.items() if "lora_A" in name}
    assert all(bool(weight.any()) for weight in first.values())


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """The library itself writes metadata in another order in each process."""
    data = save({"b": torch.ones(3), "a": torch.zeros(2)}, {name: name for name in "hgfedcba"})
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    turned = json.dumps({**header, "__metadata__": dict(reversed(header["__metadata__"].items()))}).encode()
    other = len(turned).to_bytes(8, "little") + turned + data[8 + length :]
    assert other != data
    assert canonical(other) == canonical(data) == canonical(canonical(data))
    (tmp_path / "it.safetensors").write_bytes(canonical(other))
    assert load_file(tmp_path / "it.safetensors")["b"].tolist() == [1, 1, 1]


def test_a_file_without_metadata(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "it.safetensors")
    data = canonical((tmp_path / "it.safetensors").read_bytes())
    assert json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"] == {}
