"""The LoRA as a file that loads everywhere, and the proof that it is what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import convert_state_dict_to_kohya
from safetensors.torch import save
from torch import Tensor

from tcdflow.distill.canonical import canonical
from tcdflow.distill.student import ADAPTER, Student
from tcdflow.errors import OutputError, RunError
from tcdflow.files.scratch import scratch
from tcdflow.libraries.diffusers import lora_warnings
from tcdflow.record.atomic import write_bytes
from tcdflow.record.cleanup import own_folder

FOLDER = "lora"
FILE = "pytorch_lora_weights.safetensors"
KOHYA_FILE = "kohya_lora.safetensors"
_RELOADED = "reloaded"

_ARCHITECTURES = {
    "sd15": "stable-diffusion-v1/lora",
    "sd21": "stable-diffusion-v2-512/lora",
    "sdxl": "stable-diffusion-xl-v1-base/lora",
}
"""What modelspec (Stability AI, version 1.0.0) calls the families."""


def export(
    student: Student, pipeline: Any, directory: Path, arguments: Mapping[str, Any], folder: str = FOLDER
) -> Path:
    """Write the LoRA as diffusers does, with ``lora_adapter_metadata``, and hold the file against the student.

    Args:
        student: holding what is exported.
        pipeline: class of the base's pipeline, which knows the format.
        directory: of the distillation.
        arguments: of a call of the UNet, on which both are compared.
        folder: of the directory.

    Returns:
        The file.

    Raises:
        OutputError: if it cannot be written.
        RunError: if it does not give the student's own output, bit for bit.
    """
    place = own_folder(directory / folder) / FILE
    try:
        with scratch() as written:
            layers = {name: tensor.cpu().contiguous() for name, tensor in student.state().items()}
            pipeline.save_lora_weights(written, unet_lora_layers=layers, unet_lora_adapter_metadata=student.config)
            data = canonical((written / FILE).read_bytes())
    except OSError as error:
        raise OutputError.of(place, error) from error
    write_bytes(place, data)
    _check(student, place, arguments)
    return place


def export_kohya(student: Student, directory: Path, family: str, title: str) -> Path:
    """Write a copy with the names of kohya's tools, which A1111's web UI and ComfyUI read, and modelspec's keys.

    Args:
        student: holding what is exported.
        directory: of the distillation.
        family: of the base.
        title: of the LoRA.

    Raises:
        OutputError: if it cannot be written.
    """
    config = student.config
    layers = {f"unet.{name}": tensor.cpu().contiguous() for name, tensor in student.state().items()}
    named: dict[str, Tensor] = convert_state_dict_to_kohya(layers)
    alpha = torch.tensor(float(config["lora_alpha"]))
    tensors = {name: alpha.clone() if name.endswith(".alpha") else tensor for name, tensor in named.items()}
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": title,
        "modelspec.architecture": _ARCHITECTURES.get(family, f"{family}/lora"),
        "modelspec.implementation": "diffusers",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(config["r"]),
        "ss_network_alpha": str(config["lora_alpha"]),
    }
    place = folder_of(directory) / KOHYA_FILE
    write_bytes(place, canonical(save(tensors, metadata)))
    return place


def folder_of(directory: Path) -> Path:
    """Return the folder of what is exported, made if it is not there.

    Raises:
        OutputError: if it cannot be made.
    """
    return own_folder(directory / FOLDER)


@torch.no_grad()
def _check(student: Student, file: Path, arguments: Mapping[str, Any]) -> None:
    """Load the file beside the student as anybody would, and compare.

    Raises:
        RunError: if weights or the UNet's output differ in a bit.
    """
    unet = student.unet
    (own,) = unet(**arguments, return_dict=False)
    with lora_warnings() as warned:
        unet.load_lora_adapter(
            str(file.parent), weight_name=file.name, adapter_name=_RELOADED, prefix="unet", local_files_only=True
        )
    try:
        unet.set_adapter(_RELOADED)
        (reloaded,) = unet(**arguments, return_dict=False)
    finally:
        unet.delete_adapters(_RELOADED)
        unet.set_adapter(ADAPTER)
    if warned or not torch.equal(own, reloaded):
        what = "; ".join(warned) or f"its output differs by up to {(own - reloaded).abs().max():.1e}"
        raise RunError(f"{file}: the exported LoRA is not what was trained: {what}")
