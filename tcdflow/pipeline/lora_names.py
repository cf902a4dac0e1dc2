"""Which module of a pipeline a LoRA file means, whatever trainer named it.

Trainers write a module's path with dots (diffusers, peft) or with underscores (kohya's sd-scripts, LyCORIS,
OneTrainer), where ``a_b`` may be one name or two: so the names are made from the modules that there are, and looked
up. kohya trains SDXL in the original code, where the UNet's modules have other names (``input_blocks``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tcdflow.libraries.diffusers import lora_components

Place = tuple[str, str]
"""A component of a pipeline, and the path of a module in it."""

_FLAT = {"lora_unet_": "unet", "lycoris_": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder"}
_FLAT["lora_te2_"] = "text_encoder_2"
_ATTENTION = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


class LoraNames:
    """The names of a pipeline's modules in LoRA files.

    Args:
        pipe: a pipeline that bears no LoRA.
    """

    def __init__(self, pipe: Any) -> None:
        self._dotted: dict[str, Place] = {}
        self._flat: dict[Place, Place] = {}
        self._original: dict[Place, Place] = {}
        self._shapes: dict[Place, tuple[int, ...]] = {}
        for component in lora_components(pipe):
            model = getattr(pipe, component)
            original = _original_names(model) if component == pipe.unet_name else None
            for path, module in model.named_modules():
                weight = getattr(module, "weight", None)
                if not path or weight is None:
                    continue
                place = (component, path)
                self._shapes[place] = tuple(weight.shape)
                for name in _spellings(component, path):
                    self._dotted[f"{component}.{name}"] = place
                    self._flat[component, name.replace(".", "_")] = place
                    if component == pipe.unet_name:
                        self._dotted.setdefault(name, place)
                if original is not None:
                    self._original[component, original(path).replace(".", "_")] = place

    def find(self, name: str) -> Place | None:
        """Return the module that a file means by a name, or None if the pipeline has none of that name."""
        if name in self._dotted:
            return self._dotted[name]
        for prefix, component in _FLAT.items():
            if name.startswith(prefix):
                flat = component, name.removeprefix(prefix)
                return self._flat.get(flat) or self._original.get(flat)
        return None

    def shape(self, place: Place) -> tuple[int, ...]:
        """Return the shape of a module's weight."""
        return self._shapes[place]


def original(name: str) -> bool:
    """Say whether a file names a module of the UNet as the original code does."""
    return any(part in name for part in ("input_blocks", "middle_block", "output_blocks"))


def _spellings(component: str, path: str) -> Iterator[str]:
    """Yield the path of a module and how older libraries had it."""
    yield path
    if component.startswith("text_encoder"):
        # transformers has dropped this part of the path, and files keep it.
        longer = path if path.startswith("text_model.") else f"text_model.{path}"
        shorter = path.removeprefix("text_model.")
        yield from {longer, shorter} - {path}
        parent, _, last = longer.rpartition(".")
        for old, new in _ATTENTION.items():
            if last == new:
                yield f"{parent}.{old}"
    elif path.endswith(".to_out.0"):
        yield path.removesuffix(".0")


def _original_names(unet: Any) -> Any:
    """Return the function that translates a path in a diffusers UNet to the original code's name."""
    layers = getattr(unet.config, "layers_per_block", 2)
    attending = [hasattr(block, "attentions") for block in unet.up_blocks]
    per_block = (layers if isinstance(layers, int) else layers[0]) + 1

    def name(path: str) -> str:
        if path in _ENDS:
            return _ENDS[path]
        side, *rest = path.split(".")
        if side == "mid_block" and rest[0] in ("resnets", "attentions"):
            root = f"middle_block.{1 if rest[0] == 'attentions' else 2 * int(rest[1])}"
            return f"{root}.{_inner(rest[0], rest[2:])}"
        if side not in ("down_blocks", "up_blocks") or len(rest) < 4:
            return path
        block, kind, layer = int(rest[0]), rest[1], int(rest[2])
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * per_block}.0.op"
        if kind == "upsamplers":
            return f"output_blocks.{(block + 1) * per_block - 1}.{1 + attending[block]}.conv"
        if kind not in ("resnets", "attentions"):
            return path
        number = block * per_block + layer + (side == "down_blocks")
        root = f"{'input' if side == 'down_blocks' else 'output'}_blocks.{number}.{int(kind == 'attentions')}"
        return f"{root}.{_inner(kind, rest[3:])}"

    return name


def _inner(kind: str, rest: list[str]) -> str:
    inner = ".".join(rest)
    return _RESNET.get(inner, inner) if kind == "resnets" else inner
