"""The names of tensors in LoRA files: which module a key changes, and which part of which kind of change it is.

A key is the module's name in the trainer's spelling and, after it, the part: ``lora_unet_..._to_q.lora_down.weight``.
The parts are those of kohya's sd-scripts, LyCORIS, OneTrainer, diffusers of all ages and peft.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Kind(StrEnum):
    """What a file does to a module's weight ``W``; its value is the name that people know it by."""

    LORA = "LoRA"
    LOHA = "LoHa"
    LOKR = "LoKr"
    FULL = "full difference"
    NORM = "norm difference"
    IA3 = "IA3"
    OFT = "OFT"
    GLORA = "GLoRA"


_DOWN, _UP = (
    ("lora_down", "lora.down", "lora_linear_layer.down", "down"),
    ("lora_up", "lora.up", "lora_linear_layer.up"),
)
_PARTS: dict[str, tuple[Kind | None, str]] = {
    **{f"{name}.weight": (Kind.LORA, "down") for name in (*_DOWN, "lora_A", "lora_A.default")},
    **{f"{name}.weight": (Kind.LORA, "up") for name in (*_UP, "up", "lora_B", "lora_B.default")},
    "lora_magnitude_vector": (Kind.LORA, "magnitude"),
    "lora_magnitude_vector.weight": (Kind.LORA, "magnitude"),
    "lora_B.bias": (Kind.LORA, "up_bias"),
    "lora_mid.weight": (Kind.LORA, "mid"),
    **{name: (Kind.LOHA, name) for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")},
    **{name: (Kind.LOKR, name) for name in ("lokr_w1", "lokr_w1_a", "lokr_w1_b")},
    **{name: (Kind.LOKR, name) for name in ("lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")},
    **{name: (Kind.FULL, name) for name in ("diff", "diff_b")},
    **{name: (Kind.NORM, name) for name in ("w_norm", "b_norm")},
    "on_input": (Kind.IA3, "on_input"),
    **{name: (Kind.OFT, name) for name in ("oft_blocks", "oft_diag", "oft_R.weight", "oft_r.weight", "rescale")},
    **{f"{name}.weight": (Kind.GLORA, name) for name in ("a1", "a2", "b1", "b2")},
    "alpha": (None, "alpha"),
    "dora_scale": (None, "dora_scale"),
}
_DEEPEST = max(name.count(".") for name in _PARTS) + 1


def split(key: str) -> tuple[str, Kind | None, str] | None:
    """Return a key's module, kind and part; a part that several kinds have has no kind. None if it is of no LoRA.

    Diffusers' oldest names, ``attn1.processor.to_q_lora.down.weight``, give the module ``attn1.to_q``.
    """
    pieces = key.split(".")
    for count in range(min(_DEEPEST, len(pieces) - 1), 0, -1):
        ending = ".".join(pieces[-count:])
        if ending in _PARTS:
            kind, part = _PARTS[ending]
            module = ".".join(pieces[:-count]).replace(".processor.", ".")
            if ending in ("down.weight", "up.weight"):
                if not module.endswith("_lora"):
                    return None
                module = module.removesuffix("_lora")
            return module, kind, part
    return None


def grouped(keys: Iterable[str]) -> tuple[dict[str, dict[str, str]], dict[str, Kind], list[str]]:
    """Sort the keys of a file.

    Returns:
        The keys by module and part, the kind of each of these modules, and the keys that belong to none.
    """
    modules: dict[str, dict[str, str]] = {}
    kinds: dict[str, Kind] = {}
    strays: list[str] = []
    for key in keys:
        found = split(key)
        if found is None:
            strays.append(key)
            continue
        module, kind, part = found
        modules.setdefault(module, {})[part] = key
        if kind is not None:
            kinds.setdefault(module, kind)
    for key in [key for key in strays if kinds.get(key.removesuffix(".weight")) is Kind.IA3]:
        modules[key.removesuffix(".weight")]["weight"] = key
        strays.remove(key)
    for module in [module for module in modules if module not in kinds]:
        parts = modules.pop(module)
        strays += [key for part, key in parts.items() if part != "alpha"]  # an alpha alone scales nothing
    return modules, kinds, strays
