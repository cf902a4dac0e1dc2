"""What other tools say in their images: A1111's web UI, ComfyUI, InvokeAI, read by the package sd-parsers.

Images may be untrusted: their headers are read, no pixel is decoded, and whatever a parser raises is one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcdflow.errors import RecordError, SourceError
from tcdflow.files.image_header import check_image
from tcdflow.prompts.tags import lora_weights, without_lora_tags
from tcdflow.text import about, reason

if TYPE_CHECKING:
    from PIL.Image import Image
    from sd_parsers.data import PromptInfo

_FORMATS = ("PNG", "JPEG", "WEBP")
_MOST = 200
"""Entries of an image's metadata that are kept: a basic graph has a tenth of them."""

_LORA_HASHES = re.compile(r'Lora hashes: "([^"]{0,2000})"')
_BASIC = {"KSampler", "CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage", "VAEDecode", "SaveImage"}
_BASIC |= {"PreviewImage", "LoraLoader", "LoraLoaderModelOnly"}

_last: Image | None = None
"""The image read last: sd-parsers tells one from the next by its address in memory, so it has to stay there."""


@dataclass
class Lora:
    """A LoRA that an image names; a weight that was not said is None."""

    name: str
    weight: Any = None
    hash: str | None = None


@dataclass
class Said:
    """What an image says of how it was made; values are as they stand there.

    Attributes:
        tool: that made it.
        prompt: without tags of LoRAs.
        negative: what it should not show.
        values: by the names ``sampler``, ``schedule``, ``steps``, ``guidance``, ``seed``, ``width``, ``height``,
            ``eta``, ``strength``, as far as they are said.
        model: name of the checkpoint.
        hash: of it.
        loras: in order.
        rest: all else.
    """

    tool: str
    prompt: str = ""
    negative: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    hash: str | None = None
    loras: list[Lora] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)


def read(path: Path) -> Said | None:
    """Return what an image of another tool says; None if it says nothing that is known.

    Raises:
        RecordError: if it holds more than one image's settings, or what it holds is damaged; one line.
    """
    from PIL import Image

    global _last
    try:
        check_image(path)
        with Image.open(path, formats=_FORMATS) as image:
            _last = image
            found = _parsed(image)
        return None if found is None else _said(found)
    except (SourceError, OSError, SyntaxError):
        return None  # no image, or in a format of which the parsers know nothing
    except RecordError as error:
        raise RecordError(about(path, str(error))) from None
    except Exception as error:  # untrusted texts: a parser can raise anything
        what = f"its metadata of another tool cannot be read: {type(error).__name__}: {reason(error)}"
        raise RecordError(about(path, what)) from None


def _parsed(image: Image) -> PromptInfo | None:
    from sd_parsers import ParserManager

    return ParserManager().parse(image)


def _said(found: PromptInfo) -> Said:
    if len(found.samplers) != 1:
        raise RecordError(f"{found.generator.value}: has {len(found.samplers)} samplers; images of one are read")
    sampler = found.samplers[0]
    values = {str(name): value for name, value in sampler.parameters.items()}
    said = Said(found.generator.value, found.full_prompt, found.full_negative_prompt)
    said.values = {"sampler": sampler.name}
    for name, own in {"steps": "steps", "cfg_scale": "guidance", "seed": "seed", "scheduler": "schedule"}.items():
        if name in values:
            said.values[own] = values.pop(name)
    if sampler.model is not None and isinstance(sampler.model.name, str | None):
        said.model, said.hash = sampler.model.name, sampler.model.hash
    rest = {str(name): value for name, value in found.metadata.items()} | values
    {"ComfyUI": _of_comfyui, "InvokeAI": _of_invokeai}.get(said.tool, _of_web_ui)(said, found, rest)
    said.rest |= dict(list(rest.items())[:_MOST])
    return said


def _of_web_ui(said: Said, found: PromptInfo, rest: dict[str, Any]) -> None:
    """Read A1111's text, and what is written like it."""
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(rest.get("Size", "")))
    if size:
        said.values |= {"width": size[1], "height": size[2]}
        del rest["Size"]
    for name, own in {"Eta": "eta", "Denoising strength": "strength"}.items():
        if name in rest and not (own == "strength" and any(key.startswith("Hires") for key in rest)):
            said.values[own] = rest.pop(name)
    text = found.raw_parameters.get("parameters")
    listed = _LORA_HASHES.search(text) if isinstance(text, str) else None
    pairs = (pair.split(":") for pair in listed[1].split(",")) if listed else ()
    hashes = {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
    said.loras = [Lora(name, weight, hashes.get(name)) for name, weight in lora_weights(said.prompt)]
    said.prompt = without_lora_tags(said.prompt).strip()


def _of_comfyui(said: Said, found: PromptInfo, rest: dict[str, Any]) -> None:
    """Read the nodes of a graph."""
    graph = found.raw_parameters.get("prompt")
    nodes = list(_nodes(json.loads(graph) if isinstance(graph, str) else graph))
    if "denoise" in rest:
        said.values["strength"] = rest.pop("denoise")
    checkpoints = [inputs.get("ckpt_name") for kind, inputs in nodes if kind == "CheckpointLoaderSimple"]
    said.model = checkpoints[0] if len(checkpoints) == 1 and isinstance(checkpoints[0], str) else None
    sizes = [inputs for kind, inputs in nodes if kind == "EmptyLatentImage"]
    if len(sizes) == 1:
        said.values |= {side: sizes[0][side] for side in ("width", "height") if side in sizes[0]}
    for kind, inputs in nodes:
        if kind.startswith("LoraLoader") and isinstance(inputs.get("lora_name"), str):
            said.loras.append(Lora(inputs["lora_name"], inputs.get("strength_model")))
            if inputs.get("strength_clip", inputs.get("strength_model")) != inputs.get("strength_model"):
                said.rest[f"{inputs['lora_name']}: weight of the text encoder"] = inputs["strength_clip"]
    for kind in _BASIC & rest.keys():
        del rest[kind]
    other = sorted({kind for kind, _ in nodes} - _BASIC - rest.keys())
    if other:
        said.rest["nodes"] = ", ".join(other)


def _nodes(graph: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for node in list(graph.values())[:_MOST] if isinstance(graph, dict) else ():
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
            yield str(node.get("class_type")), node["inputs"]


def _of_invokeai(said: Said, found: PromptInfo, rest: dict[str, Any]) -> None:
    for side in ("width", "height", "strength"):
        if side in rest:
            said.values[side] = rest.pop(side)
    text = found.raw_parameters.get("invokeai_metadata")
    whole = json.loads(text) if isinstance(text, str) else {}
    model = whole.get("model") if isinstance(whole, dict) else None
    if isinstance(model, dict) and said.model is None:
        named = model.get("name", model.get("model_name"))
        said.model = named if isinstance(named, str) else None
        said.hash = model["hash"] if isinstance(model.get("hash"), str) else None
    loras = rest.pop("loras", None)
    for one in loras if isinstance(loras, list) else ():
        own = one.get("model", one.get("lora")) if isinstance(one, dict) else None
        if isinstance(own, dict) and isinstance(name := own.get("name", own.get("model_name")), str):
            said.loras.append(Lora(name, one.get("weight"), own.get("hash")))
