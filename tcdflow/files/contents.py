"""What a weight file holds, by the names and shapes of its tensors: known before anything is loaded.

Names are those of the original layout (``model.diffusion_model.``, ``first_stage_model.``) in which model sites share
checkpoints, of diffusers, and of the trainers of adapters. A file that nothing here knows is nobody's mistake: the
library that loads it will say what it lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files.safetensors_header import Header, read_header
from tcdflow.files.stamp import Stamp
from tcdflow.spec.adapter import ADAPTERS
from tcdflow.spec.family import FAMILIES

_PLACES = {
    "checkpoint": ("a checkpoint", "base.source"),
    "vae": ("a VAE", "base.vae"),
    "tiny_vae": ("a tiny VAE (TAESD)", "runtime.tiny_vae, in a folder with its config.json"),
    "lora": ("a LoRA", "loras.NAME.source"),
    "embedding": ("a textual inversion embedding", "embeddings.NAME.source"),
}
"""What kinds are called that are no adapters, and the key that names one."""

_UNET = "model.diffusion_model."
_FIRST_RULES = (
    ("checkpoint", "", r"^model\.diffusion_model\.input_blocks\."),
    ("lora", "", r"[._]lora[._](up|down|mid|[AB]|linear_layer|magnitude)|^lora_(unet|te\d?|transformer|prior)_"
                 r"|\.(hada_w[12]|lokr_w[12]|dora_scale|oft_|diff(_b)?$)"),
)  # fmt: skip
"""Rules that come before those of adapters, whose files may be told by what a LoRA for one has too."""

_RULES = (
    ("embedding", "", r"^(emb_params|clip_[lg]|string_to_param\..*|<[^>]*>)$"),
    ("other", "a HunyuanVideo checkpoint", r"^(model\.)*txt_in\.individual_token_refiner\."),
    ("other", "a FLUX checkpoint", r"^(model\.diffusion_model\.)?double_blocks\.\d"),
    ("other", "a Stable Diffusion 3 checkpoint", r"^(model\.diffusion_model\.)?joint_blocks\.\d"),
    ("other", "an AuraFlow checkpoint", r"^(model\.)?double_layers\.\d"),
    ("other", "a Stable Cascade checkpoint", r"^clip_txt_(pooled_)?mapper\."),
    ("other", "a transformer of FLUX, Stable Diffusion 3 or the like", r"^(single_)?transformer_blocks\.\d"),
    ("other", "a checkpoint of another architecture", r"^model\.diffusion_model\."),
    ("vae", "", r"^(first_stage_model\.|vae\.)?decoder\.conv_in\.weight$"),
    ("tiny_vae", "", r"^(taesd_)?(decoder|encoder)\.(layers\.)?\d+\."),
    ("other", "a UNet without text encoder and VAE", r"^(down_blocks|input_blocks)\.0\."),
    ("other", "a text encoder", r"^(text_model|transformer\.text_model|transformer\.resblocks)\."),
    ("other", "an upscaler", r"^(body\.\d+\.rdb|model\.1\.sub\.|RRDB_trunk\.)"),
)  # fmt: skip
"""Kinds in the order in which they are tried, what a kind without a place of its own is called, and what in the names
of a file tells it."""


def _rules() -> Iterator[tuple[str, str, str]]:
    """Yield kinds with what they are called and the pattern, adapters among them."""
    adapters = [(name, kind.what, kind.tensors) for name, kind in ADAPTERS.items() if kind.tensors]
    for kind, what, pattern in (*_FIRST_RULES, *adapters, *_RULES):
        yield kind, what or _PLACES[kind][0], pattern


_TEXT_ENCODERS = ("cond_stage_model.transformer.text_model.", "cond_stage_model.model.", "conditioner.embedders.")
_VAES = ("first_stage_model.", "vae.")


@dataclass(frozen=True)
class Contents:
    """What a weight file holds.

    Attributes:
        kind: what can be done with it, such as checkpoint, lora or a kind of adapters; other or unknown.
        what: in words, with their article.
        width: of the text embeddings that a checkpoint's UNet takes, which tells families apart; None if unknown.
        channels: that a checkpoint's UNet takes: 4, or 9 with an image and a mask; None if unknown.
        latent_channels: that a VAE decodes; None if unknown.
        has_vae: whether a checkpoint has a VAE.
        has_text_encoder: whether a checkpoint has one, under names that diffusers reads.
        has_ema: whether a checkpoint has a second UNet, the running average of its training.
        predicts_v: whether a checkpoint says that its UNet predicts v.
        zero_snr: whether a checkpoint says that its training schedule ends in pure noise.
    """

    kind: str
    what: str = "a file of unknown tensors"
    width: int | None = None
    channels: int | None = None
    latent_channels: int | None = None
    has_vae: bool = False
    has_text_encoder: bool = False
    has_ema: bool = False
    predicts_v: bool = False
    zero_snr: bool = False

    @property
    def place(self) -> str:
        """Advice that says which key it belongs to; empty if to none."""
        if self.kind in ADAPTERS:
            return f"; give it as adapters.NAME.source of kind {self.kind}"
        return f"; give it as {_PLACES[self.kind][1]}" if self.kind in _PLACES else ""


def contents(path: Path) -> Contents:
    """Say what a safetensors file holds. A file is read once, until it changes.

    Raises:
        SourceError: if its header is damaged.
        OSError: if it cannot be read.
    """
    return _contents(path, Stamp.of(path))


@lru_cache(maxsize=64)
def _contents(path: Path, stamp: Stamp) -> Contents:
    return contents_of(read_header(path))


def contents_of(header: Header) -> Contents:
    """Say what a file with a header holds."""
    names = "\n".join(header.shapes)
    for kind, what, pattern in _rules():
        if found := re.search(pattern, names, re.MULTILINE):
            if kind == "checkpoint":
                return _checkpoint(header)
            channels = _second(header.shapes[found[0]]) if kind == "vae" else None
            return Contents(kind, what, latent_channels=channels)
    return Contents("unknown")


def check_kind(role: str, found: Contents) -> None:
    """Refuse a file that a part of a run cannot be.

    Raises:
        SourceError: saying what it is, and which key it belongs to.
    """
    group, _, name = role.partition(".")
    wanted = {"base": "checkpoint", "base.vae": "vae"}.get(role)
    if group == "loras":
        wanted = "lora"
    if group == "adapters" and "." not in name:
        if found.kind in ("checkpoint", "vae", "tiny_vae", "lora"):
            raise SourceError(f"is {found.what}, not an adapter{found.place}")
    elif wanted and found.kind not in (wanted, "unknown") and not (wanted == "vae" and found.has_vae):
        raise SourceError(f"is {found.what}, not {_PLACES[wanted][0]}{found.place}")


def family_of(width: int | None) -> str | None:
    """Return the family whose UNets take text embeddings of a width; None for a width that no published model has."""
    return next((name for name, family in FAMILIES.items() if width and family.text_width == width), None)


def _checkpoint(header: Header) -> Contents:
    shapes = header.shapes
    widths = (shape[-1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight") and shape)
    width = next(widths, None)
    family = family_of(width)
    says = header.metadata.get("modelspec.prediction_type", "").lower()
    return Contents(
        "checkpoint",
        f"a checkpoint of family {family}" if family else "a checkpoint",
        width=width,
        channels=_second(shapes.get(f"{_UNET}input_blocks.0.0.weight", ())),
        has_vae=any(name.startswith(_VAES) for name in shapes),
        has_text_encoder=any(name.startswith(_TEXT_ENCODERS) for name in shapes),
        has_ema=any(name.startswith("model_ema.diffusion_model") for name in shapes),
        predicts_v="v_pred" in shapes or says.startswith("v"),
        zero_snr="ztsnr" in shapes,
    )


def _second(shape: tuple[int, ...]) -> int | None:
    return shape[1] if len(shape) > 1 else None
