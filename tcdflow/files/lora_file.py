"""What a LoRA file is, from its header alone: its kind, the base it was made for, what of it cannot be loaded.

So that a file of another kind is named as such before anything heavy is imported, in words that say what to do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files.lora_keys import Kind, grouped
from tcdflow.files.safetensors_header import shapes

_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
_EMBEDDINGS = "bundle_emb."
"""OneTrainer's prefix of textual inversion embeddings beside a LoRA."""

_PEFT = "base_model.model."
"""What peft's own ``save_pretrained`` puts before each name."""

_NEEDED: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    Kind.LORA: (("down", "up"),),
    Kind.LOHA: (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),),
    Kind.LOKR: tuple(
        (*one, *two)
        for one in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
        for two in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"))
    ),
    Kind.FULL: (("diff",), ("diff_b",)),
    Kind.NORM: (("w_norm",), ("b_norm",)),
    Kind.IA3: (("weight", "on_input"),),
}
"""The parts without which a module cannot be read; one of the rows of each kind. Kinds without a row are refused."""

_WIDTHS = {768: "sd15", 1024: "sd21", 2048: "sdxl"}
"""Family of bases by the width of the text embeddings that its UNet reads."""

NAMES = {"sd15": "SD 1.5", "sd21": "SD 2.1", "sdxl": "SDXL"}
"""What people call the families."""

_TEXT_KEYS = re.compile(r"attn2[._]to_[kv]$")

# Architectures that have no base here, each with what its modules' names have and those of a UNet have not.
_OTHERS = {
    "FLUX or a relative of it": r"double_blocks|single_blocks|single_transformer_blocks",
    "Stable Diffusion 3": r"joint_blocks|add_k_proj|context_block",
    "Stable Cascade or Kandinsky": r"prior_unet|lora_prior|effnet",
    "a diffusion transformer": r"^(transformer|diffusion_model|blocks)\.|^lora_transformer_|^lora_unet_blocks_\d",
}
# What else is given as a LoRA, and what to do with it, each with a sign in its keys.
_NO_LORAS = {
    "is a whole checkpoint: give it as base.source": r"^(model\.diffusion_model|first_stage_model|conditioner)\.",
    "is a Control-LoRA, which is not supported: use a ControlNet": r"^lora_controlnet$",
    "is a ControlNet: give it as adapters.<name>.source": r"^(control_model\.|controlnet_|input_hint_block)",
    "is an IP-Adapter: give it as adapters.<name>.source": r"^(image_proj|ip_adapter)\.",
    "is a textual inversion embedding and no LoRA": r"^(emb_params|clip_l|clip_g|string_to_param.*)$",
    "is a motion module: give it as an adapter of kind motion_adapter": r"motion_modules\.",
    "is a VAE: give it as base.vae": r"^(encoder|decoder)\.(down|up|mid|conv)",
    "is a UNet's weights and no LoRA": r"^(down_blocks|mid_block|up_blocks|conv_in)\.",
}


@dataclass(frozen=True)
class LoraFile:
    """The header of a LoRA file, sorted.

    Attributes:
        modules: keys by module and part (:mod:`tcdflow.files.lora_keys`), the modules as the file names them.
        kinds: what is done to each module.
        strays: keys of no kind that is known.
        embeddings: names of the textual inversion embeddings that came with it.
        unreadable: a dtype of its tensors that holds no plain numbers.
        family: the family of bases it was made for; None where the file does not tell.
        other: the architecture it was made for if that has no base here.
    """

    modules: dict[str, dict[str, str]]
    kinds: dict[str, Kind]
    strays: tuple[str, ...]
    embeddings: tuple[str, ...]
    unreadable: str | None
    family: str | None
    other: str | None

    @property
    def kind(self) -> str:
        """What people call such a file."""
        counted = sorted(set(self.kinds.values()), key=list(self.kinds.values()).count, reverse=True)
        dora = any("dora_scale" in parts or "magnitude" in parts for parts in self.modules.values())
        return " with ".join([*counted, *(["DoRA"] if dora else [])])

    def check(self) -> None:
        """Check that the file is a LoRA that can be loaded into some base.

        Raises:
            SourceError: saying what it is and what to do.
        """
        if not self.modules:
            raise SourceError(_what_it_is(self.strays))
        if self.other is not None:
            raise SourceError(
                f"is a {self.kind} for {self.other}; bases here are {', '.join(NAMES.values())}, which it cannot fit"
            )
        if any(module.startswith(_PEFT) for module in self.modules):
            raise SourceError(
                "was saved by peft alone, which keeps the scale in adapter_config.json: save it by diffusers' "
                "save_lora_weights"
            )
        if self.unreadable is not None:
            raise SourceError(f"has tensors of type {self.unreadable}, quantized in a way that cannot be read")
        refused = next((kind for kind in self.kinds.values() if kind not in _NEEDED), None)
        if refused is not None:
            raise SourceError(
                f"is of kind {refused}, which cannot be loaded; LoRA, LoCon, LoHa, LoKr, IA3, DoRA and full can"
            )
        for module, parts in self.modules.items():
            if not any(set(row) <= set(parts) for row in _NEEDED[self.kinds[module]]):
                raise SourceError(f"is incomplete: {module} has {', '.join(parts)} alone")
        if self.strays:
            raise SourceError(
                f"has {len(self.strays)} keys of no kind that can be loaded, e.g. {', '.join(sorted(self.strays)[:3])}"
            )

    def refusal(self, family: str) -> str | None:
        """Return why it cannot be loaded into the bases of a family, as far as the file tells."""
        try:
            self.check()
        except SourceError as error:
            return str(error)
        if self.family is None or family not in NAMES or self.family == family:
            return None
        return f"is a {self.kind} for {NAMES[self.family]} and does not fit a base of {NAMES[family]}"

    def warnings(self, weight: object) -> Iterator[str]:
        """Yield what of the file is left out, and what a weight other than 1 does not do.

        Args:
            weight: of the LoRA, a number or numbers by component and block.
        """
        if weight != 1.0 and any("magnitude" in parts for parts in self.modules.values()):
            yield "the magnitudes of peft's DoRA hold at any weight, so that 0 is not without effect"
        if self.embeddings:
            names = ", ".join(self.embeddings[:4])
            yield f"its textual inversion embeddings ({names}) are not loaded, and mean nothing in a prompt"


def read(path: Path) -> LoraFile:
    """Read the header of a LoRA file; that of the same file is read once.

    Raises:
        SourceError: if the header is damaged.
        OSError: if the file cannot be read.
    """
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, mtime: int, size: int) -> LoraFile:
    tensors = shapes(path)
    bundled = [key for key in tensors if key.startswith(_EMBEDDINGS)]
    modules, kinds, strays = grouped(key for key in tensors if not key.startswith(_EMBEDDINGS))
    used = [tensors[key] for parts in modules.values() for key in parts.values()]
    return LoraFile(
        modules=modules,
        kinds=kinds,
        strays=tuple(strays),
        embeddings=tuple(dict.fromkeys(key.removeprefix(_EMBEDDINGS).split(".")[0] for key in bundled)),
        unreadable=next((dtype for dtype, shape in used if dtype not in _FLOATS and shape not in ((), (1,))), None),
        family=_family(modules, tensors),
        other=_other(modules),
    )


def _other(modules: Collection[str]) -> str | None:
    return next((name for name, sign in _OTHERS.items() if any(re.search(sign, module) for module in modules)), None)


def _family(modules: Mapping[str, Mapping[str, str]], tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> str | None:
    if any(module.startswith(("lora_te2_", "text_encoder_2.")) for module in modules):
        return "sdxl"
    for module, parts in modules.items():
        if _TEXT_KEYS.search(module) and "down" in parts:
            shape = tensors[parts["down"]][1]
            return _WIDTHS.get(shape[1]) if len(shape) > 1 else None
    return None


def _what_it_is(keys: Collection[str]) -> str:
    for what, sign in _NO_LORAS.items():
        if any(re.search(sign, key) for key in keys):
            return what
    shown = ", ".join(sorted(keys)[:3])
    return f"holds no LoRA: none of its {len(keys)} keys is one" + (f", e.g. {shown}" if keys else "")
