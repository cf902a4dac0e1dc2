"""What a module of a LoRA file adds to a weight, for the kinds that peft's LoRA layers cannot hold.

LoCon with a core (CP decomposition), LoHa (FedPara, arXiv 2108.06098), LoKr and IA3 as LyCORIS trains them (arXiv
2309.14859), full differences of weights, biases and norms, and DoRA (arXiv 2402.09353) in the form of LyCORIS and
OneTrainer: ``dora_scale`` may be the norms of the rows or of the columns, which its shape tells. All is computed in
float32. A weight ``w`` of the LoRA means ``W + w * delta``, for DoRA too, as A1111 and ComfyUI have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tcdflow.files.lora_keys import Kind

Parts = Mapping[str, Tensor]
"""The tensors of one module of a file, in float32, by the names of :mod:`tcdflow.files.lora_keys`."""

BIASES = ("diff_b", "b_norm")
"""Parts that are added to a bias."""


def delta(kind: Kind, parts: Parts, base: Tensor) -> Tensor:
    """Return what a module adds to a weight at strength 1.

    Args:
        kind: what the module is.
        parts: its tensors.
        base: the weight in float32, of shape ``(out, in)``, ``(out, in, height, width)`` or ``(out,)`` for a norm.

    Returns:
        A tensor of the weight's shape.

    Raises:
        ValueError: if the tensors do not fit the weight.
    """
    change = _CHANGES[kind](parts, base)
    if change.numel() != base.numel():
        raise ValueError(f"a change of shape {tuple(change.shape)} does not fit a weight of shape {tuple(base.shape)}")
    change = change.reshape(base.shape)
    return change if "dora_scale" not in parts else _dora(base, change, parts["dora_scale"])


def alpha_scale(parts: Parts, rank: int) -> float:
    """Return what the product of a module's matrices is multiplied with: alpha / rank, 1 without an alpha."""
    return parts["alpha"].item() / rank if "alpha" in parts else 1.0


def _lora(parts: Parts, base: Tensor) -> Tensor:
    down, up = parts["down"].flatten(1), parts["up"].flatten(1)
    product = _product(up, down, base) if "mid" not in parts else _core(parts["mid"], up.T, down, base)
    return product * alpha_scale(parts, down.shape[0])


def _loha(parts: Parts, base: Tensor) -> Tensor:
    factors = []
    for number in "12":
        a, b = parts[f"hada_w{number}_a"], parts[f"hada_w{number}_b"]
        core = parts.get(f"hada_t{number}")
        factors.append(_product(a, b, base) if core is None else _core(core, a, b, base))
    return factors[0] * factors[1] * alpha_scale(parts, parts["hada_w1_b"].shape[0])


def _lokr(parts: Parts, base: Tensor) -> Tensor:
    small, large = (_kronecker_factor(parts, number, base) for number in "12")
    _check_size(small.numel() * large.numel(), base)
    small = small.reshape(*small.shape, *(1 for _ in large.shape[2:]))
    factored = [parts[name] for name in ("lokr_w1_b", "lokr_w2_b") if name in parts]
    # Of two whole factors no rank is known, and LyCORIS scales them with 1, whatever alpha the file has.
    return torch.kron(small, large) * (alpha_scale(parts, factored[-1].shape[0]) if factored else 1.0)


def _kronecker_factor(parts: Parts, number: str, base: Tensor) -> Tensor:
    if f"lokr_w{number}" in parts:
        return parts[f"lokr_w{number}"]
    a, b = parts[f"lokr_w{number}_a"], parts[f"lokr_w{number}_b"]
    core = parts.get(f"lokr_t{number}")
    return _product(a, b.flatten(1), base) if core is None else _core(core, a, b, base)


def _product(a: Tensor, b: Tensor, base: Tensor) -> Tensor:
    _check_size(a.shape[0] * b.shape[1], base)
    return a @ b


def _core(core: Tensor, a: Tensor, b: Tensor, base: Tensor) -> Tensor:
    """Multiply a kernel's core ``(i, j, height, width)`` with ``a (i, out)`` and ``b (j, in)``."""
    _check_size(a.shape[1] * b.shape[1] * math.prod(core.shape[2:]), base)
    return torch.einsum("ijhw,io,jn->onhw", core, a, b).contiguous()


def _check_size(count: int, base: Tensor) -> None:
    """Refuse a product larger than the weight before it takes memory: an untrusted file may ask for any."""
    if count > base.numel():
        raise ValueError(f"a change of {count:,} numbers does not fit a weight of shape {tuple(base.shape)}")


def _ia3(parts: Parts, base: Tensor) -> Tensor:
    """Scale the columns or rows of a weight."""
    across = bool(parts["on_input"].reshape(-1)[0])
    side = (1, -1) if across else (-1, 1)
    return base * parts["weight"].reshape(*side, *(1 for _ in base.shape[2:]))


def _dora(base: Tensor, change: Tensor, magnitude: Tensor) -> Tensor:
    merged = base + change
    rows = magnitude.shape[:1] == base.shape[:1] and magnitude.numel() == base.shape[0]
    if not rows and magnitude.numel() != base.shape[1]:
        raise ValueError(f"a dora_scale of shape {tuple(magnitude.shape)} fits no side of {tuple(base.shape)}")
    others = tuple(side for side in range(base.dim()) if side != (0 if rows else 1))
    norm = torch.linalg.vector_norm(merged, dim=others, keepdim=True) + torch.finfo(torch.float32).eps
    scale: Tensor = magnitude.reshape(norm.shape) / norm
    return merged * scale - base


_CHANGES: Mapping[Kind, Callable[[Parts, Tensor], Tensor]] = {
    Kind.LORA: _lora,
    Kind.LOHA: _loha,
    Kind.LOKR: _lokr,
    Kind.IA3: _ia3,
    Kind.FULL: lambda parts, base: parts["diff"],
    Kind.NORM: lambda parts, base: parts["w_norm"],
}
