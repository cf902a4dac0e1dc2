"""The trained parts as a pipeline in diffusers' layout, half precision, and the vocabulary beside it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from scripts.embedded_model.captions import BACKGROUNDS, COLOURS, GROUNDS, STYLES, WORDINGS, View, subjects
from scripts.embedded_model.images import Icons
from scripts.embedded_model.latents import views
from scripts.embedded_model.teacher import Teacher, scheduler
from scripts.embedded_model.tokens import tokenizer
from tcdflow import embedded


def pipeline(weights: Path, vae: Path, out: Path) -> None:
    """Write the pipeline of a teacher and a VAE, in half precision."""
    teacher = Teacher()
    teacher.load_state_dict(torch.load(weights, weights_only=True))
    parts: dict[str, Any] = {
        "vae": AutoencoderKL.from_pretrained(vae, torch_dtype=torch.float32),
        "unet": teacher.unet,
        "text_encoder": teacher.text,
        "tokenizer": tokenizer(),
        "scheduler": scheduler(),
    }
    for part in (parts["vae"], parts["unet"]):
        part.register_to_config(_name_or_path="icons")  # and not the folder that it lay in
    nothing = {"safety_checker": None, "feature_extractor": None, "image_encoder": None}
    pipe = StableDiffusionPipeline(**parts, **nothing, requires_safety_checker=False)
    pipe.to(dtype=torch.float16).save_pretrained(out)
    (out / "vocabulary.txt").write_text(vocabulary(), encoding="utf-8")


def lora(source: Path, out: Path) -> None:
    """Write a LoRA in half precision, with what its file says of rank and alpha."""
    with safe_open(source, framework="pt") as file:
        weights, metadata = {name: file.get_tensor(name).half() for name in file.keys()}, file.metadata()  # noqa: SIM118
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, out, metadata)


def vocabulary() -> str:
    """What was taught, as :meth:`tcdflow.embedded.Vocabulary.parse` reads it."""
    sections = {
        "styles": STYLES,
        "colours": COLOURS,
        "backgrounds": BACKGROUNDS,
        "wordings": (text.format(article="a", what="SUBJECT") for _, text in WORDINGS),
        "grounds": (text.format(what="SUBJECT", article="a", ground="BACKGROUND") for _, text in GROUNDS),
        "subjects": (subject.name for subject in subjects()),
    }
    return "\n\n".join("\n".join([f"[{name}]", *words]) for name, words in sections.items()) + "\n"


def examples(icons: Icons, each: int, out: Path) -> None:
    """Write training images with metadata.jsonl, as ``tcdflow distill data=folder`` takes them."""
    _write(icons, ((view, view.caption(random.Random(n)), rng) for n, (view, rng) in enumerate(views(each))), out)


def reference(icons: Icons, count: int, each: int, out: Path) -> None:
    """Write what ``tcdflow evaluate`` holds old and new models against: of subjects that all of them know.

    Args:
        icons: the rendered icons.
        count: of subjects: each in the first style, on the next background.
        each: images of each, in other places.
        out: gets ``prompts.txt``, and the images with their prompts in ``images/``.
    """
    old, grounds = set(embedded.vocabulary("emoji").subjects), list(BACKGROUNDS)
    known = [subject for subject in subjects() if subject.name in old][::2][:count]
    asked = [View(subject, STYLES[0], None, grounds[n % len(grounds)]) for n, subject in enumerate(known)]
    placed = ((view, view.plain(), random.Random(f"{view.plain()}/{n}")) for n in range(each) for view in asked)
    _write(icons, placed, out / "images")
    (out / "prompts.txt").write_text("".join(f"{view.plain()}\n" for view in asked), encoding="utf-8")


def _write(icons: Icons, images: Iterable[tuple[View, str, random.Random]], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (view, caption, rng) in enumerate(images):
        pixels = (icons.image(view, rng) * 255).round().clip(0, 255).astype("uint8")
        name = f"{number:05}.png"
        Image.fromarray(pixels).save(out / name)
        lines.append(json.dumps({"file_name": name, "text": caption}))
    (out / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
