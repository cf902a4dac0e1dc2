"""What a LoRA file is, from its header alone: its kind, the base it was made for, what of it cannot be loaded.

So that a file of another kind is named as such before anything heavy is imported, in words that say what to do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from tcdflow.errors import SourceError
from tcdflow.files.contents import family_of
from tcdflow.files.lora_keys import Kind, grouped
from tcdflow.files.safetensors_header import read_header
from tcdflow.files.stamp import Stamp
from tcdflow.spec.family import FAMILIES

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

_TEXT_KEYS = re.compile(r"attn2[._]to_[kv]$")

# Architectures that have no base here, each with what its modules' names have and those of a UNet have not.
_OTHERS = {
    "FLUX or a relative of it": r"double_blocks|single_blocks|single_transformer_blocks",
    "Stable Diffusion 3": r"joint_blocks|add_k_proj|context_block",
    "Stable Cascade or Kandinsky": r"prior_unet|lora_prior|effnet",
    "a diffusion transformer": r"^(transformer|diffusion_model|blocks)\.|^lora_transformer_|^lora_unet_blocks_\d",
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
            shown = f"none of its {len(self.strays)} keys is one, e.g. {', '.join(sorted(self.strays)[:3])}"
            raise SourceError(f"holds no LoRA: {shown if self.strays else 'it is empty'}")
        if self.other is not None:
            raise SourceError(f"is a {self.kind} for {self.other}, which fits none of the bases: {', '.join(FAMILIES)}")
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
        if self.family in (None, family):
            return None
        return f"is a {self.kind} for family {self.family} and does not fit a base of family {family}"

    @cached_property
    def _has_magnitudes(self) -> bool:
        return any("magnitude" in parts for parts in self.modules.values())

    def warnings(self, weight: object) -> Iterator[str]:
        """Yield what of the file is left out, and what a weight other than 1 does not do.

        Args:
            weight: of the LoRA, a number or numbers by component and block.
        """
        if weight != 1.0 and self._has_magnitudes:
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
    return _read(path, Stamp.of(path))


@lru_cache(maxsize=64)
def _read(path: Path, stamp: Stamp) -> LoraFile:
    header = read_header(path)
    tensors = header.shapes
    bundled = [key for key in tensors if key.startswith(_EMBEDDINGS)]
    modules, kinds, strays = grouped(key for key in tensors if not key.startswith(_EMBEDDINGS))
    used = [header.dtypes[key] for parts in modules.values() for key in parts.values() if math.prod(tensors[key]) > 1]
    return LoraFile(
        modules=modules,
        kinds=kinds,
        strays=tuple(strays),
        embeddings=tuple(dict.fromkeys(key.removeprefix(_EMBEDDINGS).split(".")[0] for key in bundled)),
        unreadable=next((dtype for dtype in used if dtype not in _FLOATS), None),
        family=_family(modules, tensors),
        other=_other(modules),
    )


def _other(modules: Collection[str]) -> str | None:
    return next((name for name, sign in _OTHERS.items() if any(re.search(sign, module) for module in modules)), None)


def _family(modules: Mapping[str, Mapping[str, str]], shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    if any(module.startswith(("lora_te2_", "text_encoder_2.")) for module in modules):
        return "sdxl"
    for module, parts in modules.items():
        if _TEXT_KEYS.search(module) and "down" in parts:
            shape = shapes[parts["down"]]
            return family_of(shape[1]) if len(shape) > 1 else None
    return None
