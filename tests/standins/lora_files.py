"""LoRA files as trainers write them, beside what they mean: the difference of each weight, worked out by hand.

A file changes a few modules of every sort: linear and convolutional, of the UNet and of the text encoders. The formulas
are those of the papers and of LyCORIS, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from .ldm_names import attending_blocks, unet_name
from .weights import normal

Module = tuple[str, str]
"""A component and the path of a module in it."""

Means = Callable[[Tensor], Tensor]
"""From a weight of the base, in float64, to what the file adds to it."""

Naming = Literal["kohya", "original", "lycoris", "peft", "diffusers", "attn_procs"]

_PARTS = ("attn2.to_q", "attn2.to_k", "attn2.to_out.0", "ff.net.0.proj", "conv1", "samplers.0.conv", "time_emb_proj")
_TEXT = ("layers.0.self_attn.q_proj", "layers.0.self_attn.out_proj", "layers.1.mlp.fc1")


@dataclass
class LoraFile:
    """A file's tensors, and what they mean by module and parameter."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    means: dict[tuple[str, str, str], Means] = field(default_factory=dict)

    def expected(self, weights: Mapping[str, Tensor], strength: float = 1.0) -> dict[str, Tensor]:
        """Give the weights of the base with the file's differences added."""
        found = dict(weights)
        for place, means in self.means.items():
            key = ".".join(place)
            before = weights[key].double()
            found[key] = (before + strength * means(before)).to(weights[key].dtype)
        return found


def chosen(pipe: Any, endings: tuple[str, ...] = (*_PARTS, *_TEXT)) -> dict[Module, Tensor]:
    """Choose modules of a pipeline: the first, middle and last of each component with each ending."""
    found: dict[Module, Tensor] = {}
    for component in ("unet", "text_encoder", "text_encoder_2"):
        model = getattr(pipe, component, None)
        if model is None:
            continue
        for ending in endings:
            paths = [
                path for path, module in model.named_modules() if path.endswith(ending) and hasattr(module, "weight")
            ]
            for path in dict.fromkeys((paths[0], paths[len(paths) // 2], paths[-1])) if paths else ():
                found[component, path] = model.get_submodule(path).weight.detach()
    return found


def spelt(pipe: Any, module: Module, naming: Naming) -> str:
    """Give a module's name as a trainer writes it."""
    component, path = module
    if component != "unet":
        path = path if path.startswith("text_model.") else f"text_model.{path}"
    if naming in ("peft", "diffusers"):
        return f"{component}.{path}"
    if naming == "attn_procs":
        return path
    both = hasattr(pipe, "text_encoder_2")
    prefix = {"unet": "lora_unet", "text_encoder": "lora_te1" if both else "lora_te", "text_encoder_2": "lora_te2"}
    if component == "unet" and naming == "original":
        config = pipe.unet.config
        path = unet_name(path, config.layers_per_block, attending_blocks(config.up_block_types))
    start = "lycoris" if naming == "lycoris" and component == "unet" else prefix[component]
    return f"{start}_{path.replace('.', '_')}"


def pair(module: Module, shape: tuple[int, ...], rank: int) -> tuple[Tensor, Tensor]:
    """Make the matrices of one LoRA module; their product is about as large as the weight."""
    down = normal(7, f"{module}.down", (rank, *shape[1:]), 0.2)
    up = normal(7, f"{module}.up", (shape[0], rank, *(1 for _ in shape[2:])), 0.2)
    return down, up


def product(down: Tensor, up: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Multiply them out."""
    return (up.double().flatten(1) @ down.double().flatten(1)).reshape(shape)


def lora(
    pipe: Any,
    naming: Naming = "kohya",
    *,
    ranks: tuple[int, ...] = (4,),
    alphas: tuple[float | None, ...] = (2.0,),
    modules: Mapping[Module, Tensor] | None = None,
) -> LoraFile:
    """Make a plain LoRA; its ranks and alphas go round, None leaves the alpha out."""
    file = LoraFile()
    ends = {"peft": ("lora_A", "lora_B"), "diffusers": ("lora.down", "lora.up")}
    first, second = ends.get(naming, ("lora_down", "lora_up"))
    for number, (module, weight) in enumerate((modules or chosen(pipe)).items()):
        rank, alpha = ranks[number % len(ranks)], alphas[number % len(alphas)]
        shape = tuple(weight.shape)
        down, up = pair(module, shape, rank)
        name = spelt(pipe, module, naming)
        text = naming == "diffusers" and module[0] != "unet"
        file.tensors[f"{name}.{'lora_linear_layer.down' if text else first}.weight"] = down
        file.tensors[f"{name}.{'lora_linear_layer.up' if text else second}.weight"] = up
        if alpha is not None:
            file.tensors[f"{name}.alpha"] = torch.tensor(alpha)
        scaled = product(down, up, shape) * (1 if alpha is None else alpha / rank)
        file.means[*module, "weight"] = lambda _, scaled=scaled: scaled  # type: ignore[misc]
    return file


def other(pipe: Any, kind: str, naming: Naming = "kohya") -> LoraFile:
    """Make a file of a kind that peft's LoRA layers cannot hold."""
    file = LoraFile()
    for module, weight in chosen(pipe).items():
        shape = tuple(weight.shape)
        tensors, means = _KINDS[kind](module, shape)
        file.tensors |= {f"{spelt(pipe, module, naming)}.{part}": value for part, value in tensors.items()}
        file.means[*module, "weight"] = means
    return file


def norms_and_biases(pipe: Any) -> LoraFile:
    """Make differences of norms and biases, as LyCORIS (``train_norm``) and ComfyUI's extraction write them."""
    file = LoraFile()
    parts = {"norm1": ("w_norm", "b_norm"), "conv1": ("diff", "diff_b")}
    for ending, (of_weight, of_bias) in parts.items():
        for module, weight in chosen(pipe, (ending,)).items():
            name = spelt(pipe, module, "kohya")
            change = normal(9, f"{module}", tuple(weight.shape), 0.2)
            bias = normal(9, f"{module}.bias", tuple(weight.shape[:1]), 0.2)
            file.tensors |= {f"{name}.{of_weight}": change, f"{name}.{of_bias}": bias}
            file.means[*module, "weight"] = lambda _, change=change: change.double()  # type: ignore[misc]
            file.means[*module, "bias"] = lambda _, bias=bias: bias.double()  # type: ignore[misc]
    return file


Made = tuple[dict[str, Tensor], Means]


def _some(module: Module, name: str, *shape: int) -> Tensor:
    return normal(8, f"{module}.{name}", shape, 0.4)


def _core(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Multiply a core with both of its sides, one after the other."""
    half = torch.tensordot(a.double(), core.double(), dims=([0], [0]))
    whole: Tensor = torch.tensordot(b.double(), half, dims=([0], [1])).movedim(0, 1)
    return whole


def _locon_core(module: Module, shape: tuple[int, ...]) -> Made:
    if len(shape) == 2 or shape[2] == 1:
        down, up = pair(module, shape, 4)
        product_ = product(down, up, shape)
        return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(1.0)}, lambda _: product_ / 4
    core = _some(module, "mid", 4, 4, *shape[2:])
    down, up = _some(module, "down", 4, shape[1], 1, 1), _some(module, "up", shape[0], 4, 1, 1)
    found = _core(core, up.flatten(1).T, down.flatten(1)) / 4
    tensors = {"lora_down.weight": down, "lora_mid.weight": core, "lora_up.weight": up, "alpha": torch.tensor(1.0)}
    return tensors, lambda _: found


def _loha(module: Module, shape: tuple[int, ...]) -> Made:
    width = torch.Size(shape[1:]).numel()
    sides = {"hada_w1_a": (shape[0], 4), "hada_w1_b": (4, width), "hada_w2_a": (shape[0], 4), "hada_w2_b": (4, width)}
    tensors = {name: _some(module, name, *side) for name, side in sides.items()}
    a1, b1, a2, b2 = (value.double() for value in tensors.values())
    found = ((a1 @ b1) * (a2 @ b2)).reshape(shape) * (2 / 4)
    return {**tensors, "alpha": torch.tensor(2.0)}, lambda _: found


def _loha_core(module: Module, shape: tuple[int, ...]) -> Made:
    if len(shape) == 2:
        return _loha(module, shape)
    tensors: dict[str, Tensor] = {}
    factors = []
    for number in "12":
        core, a, b = (
            _some(module, f"t{number}", 4, 4, *shape[2:]),
            _some(module, f"a{number}", 4, shape[0]),
            _some(module, f"b{number}", 4, shape[1]),
        )
        tensors |= {f"hada_t{number}": core, f"hada_w{number}_a": a, f"hada_w{number}_b": b}
        factors.append(_core(core, a, b))
    found = factors[0] * factors[1] * (2 / 4)
    return {**tensors, "alpha": torch.tensor(2.0)}, lambda _: found


def _by_hand(small: Tensor, large: Tensor) -> Tensor:
    """Put ``small[i, j] * large`` at the block ``(i, j)``."""
    rows = [torch.cat([value * large for value in row], dim=1) for row in small.double()]
    return torch.cat(rows, dim=0)


def _lokr(module: Module, shape: tuple[int, ...]) -> Made:
    small = _some(module, "w1", 2, 2)
    a, b = _some(module, "w2_a", shape[0] // 2, 3), _some(module, "w2_b", 3, torch.Size(shape[1:]).numel() // 2)
    large = (a.double() @ b.double()).reshape(shape[0] // 2, shape[1] // 2, *shape[2:])
    found = _by_hand(small, large) / 3
    return {"lokr_w1": small, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(1.0)}, lambda _: found


def _lokr_whole(module: Module, shape: tuple[int, ...]) -> Made:
    """Make both factors whole; such a file's alpha says nothing."""
    small, large = _some(module, "w1", 2, 2), _some(module, "w2", shape[0] // 2, shape[1] // 2, *shape[2:])
    found = _by_hand(small, large.double())
    return {"lokr_w1": small, "lokr_w2": large, "alpha": torch.tensor(7.0)}, lambda _: found


def _lokr_core(module: Module, shape: tuple[int, ...]) -> Made:
    if len(shape) == 2:
        return _lokr(module, shape)
    one, two = _some(module, "w1_a", 2, 3), _some(module, "w1_b", 3, 2)
    core, a, b = (
        _some(module, "t2", 3, 3, *shape[2:]),
        _some(module, "a", 3, shape[0] // 2),
        _some(module, "b", 3, shape[1] // 2),
    )
    found = _by_hand(one.double() @ two.double(), _core(core, a, b)) * (2 / 3)
    tensors = {"lokr_w1_a": one, "lokr_w1_b": two, "lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
    return {**tensors, "alpha": torch.tensor(2.0)}, lambda _: found


def _full(module: Module, shape: tuple[int, ...]) -> Made:
    change = _some(module, "diff", *shape)
    return {"diff": change}, lambda _: change.double()


def _ia3(module: Module, shape: tuple[int, ...]) -> Made:
    across = module[1].endswith("ff.net.0.proj")
    sides = [1 for _ in shape]
    sides[1 if across else 0] = shape[1 if across else 0]
    scale = _some(module, "ia3", *sides)
    return {"weight": scale, "on_input": torch.tensor(across)}, lambda weight: weight * scale.double()


def _dora(inner: Callable[[Module, tuple[int, ...]], Made], side: int) -> Callable[[Module, tuple[int, ...]], Made]:
    def made(module: Module, shape: tuple[int, ...]) -> Made:
        tensors, plain = inner(module, shape)
        sides = [1 for _ in shape]
        sides[side] = shape[side]
        magnitude = _some(module, "dora", *sides).abs() + 0.5

        def means(weight: Tensor) -> Tensor:
            merged = weight + plain(weight)
            rows = merged.movedim(side, 0).flatten(1)
            scale = magnitude.double().flatten() / (rows * rows).sum(1).sqrt()
            return (merged.movedim(side, 0) * scale.reshape(-1, *(1 for _ in shape[1:]))).movedim(0, side) - weight

        return {**tensors, "dora_scale": magnitude}, means

    return made


def _plain(module: Module, shape: tuple[int, ...]) -> Made:
    down, up = pair(module, shape, 4)
    found = product(down, up, shape) / 4
    return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(1.0)}, lambda _: found


_KINDS: dict[str, Callable[[Module, tuple[int, ...]], Made]] = {
    "locon with a core": _locon_core,
    "loha": _loha,
    "loha with cores": _loha_core,
    "lokr": _lokr,
    "lokr of whole factors": _lokr_whole,
    "lokr with a core": _lokr_core,
    "full": _full,
    "ia3": _ia3,
    "dora by rows": _dora(_plain, 0),
    "dora by columns": _dora(_plain, 1),
    "loha with dora": _dora(_loha, 1),
}
KINDS = tuple(_KINDS)
