"""Weights of a LoRA by component and block: checked here, since diffusers silently ignores unknown ones.

As diffusers' ``set_adapters`` has it: ``{unet: {down: {block_1: [0.5, 0.5]}, mid: 1, up: 0.8}, text_encoder: 0.4}``.
A block is weighed at its attentions, and at whatever else in it stands at the index of one of them; what is left out
has weight 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tcdflow.errors import Problem
from tcdflow.spec.nearest import nearest

_DEEPEST_NAME = 4  # diffusers takes the block of a module from the first four parts of its path


def problems(name: str, weight: Any, pipe: Any, modules: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Yield what is wrong with the weight of one LoRA.

    Args:
        name: the LoRA.
        weight: a number, which is never wrong, or a mapping by component.
        pipe: the pipeline that the LoRA was loaded into.
        modules: paths of the modules that it has weights for, by component.
    """
    if not isinstance(weight, Mapping):
        return
    key = f"loras.{name}.weight"
    for component, of_component in weight.items():
        there = f"{key}.{component}"
        if component not in modules:
            what = f"this LoRA has weights for {_listed(modules)} only"
            yield Problem(there, what, nearest=nearest(component, modules))
        elif not isinstance(of_component, Mapping):
            if isinstance(of_component, list | tuple):
                yield Problem(there, "must be a number or a mapping of blocks", of_component)
        elif component != pipe.unet_name:
            yield Problem(there, "must be a number: only the unet has blocks", of_component)
        else:
            yield from _of_unet(there, of_component, getattr(pipe, pipe.unet_name), modules[pipe.unet_name])


def weight_at(weight: Any, pipe: Any, component: str, path: str) -> float:
    """Return the weight of a LoRA at one module, as diffusers' ``set_adapters`` would set it there.

    Args:
        weight: a number, or a mapping that has no :func:`problems`.
        pipe: the pipeline.
        component: the module's component.
        path: of the module in it.
    """
    of_component = weight.get(component, 1.0) if isinstance(weight, Mapping) else weight
    if not isinstance(of_component, Mapping):
        return float(of_component)
    side, *rest = path.split(".")
    if side == "mid_block":
        return _of_attention(of_component.get("mid", 1.0), int(rest[1]), 1) if rest[0] == "attentions" else 1.0
    name = side.removesuffix("_blocks")
    block = f"block_{rest[0]}"
    attentions = _attentions(getattr(getattr(pipe, component), side)).get(block, 0)
    of_side = of_component.get(name, 1.0)
    return _of_attention(of_side.get(block, 1.0) if isinstance(of_side, Mapping) else of_side, int(rest[2]), attentions)


def _of_attention(weight: Any, index: int, attentions: int) -> float:
    """Return the weight of what stands at the index of a block's attention, 1 where there is none."""
    if index >= attentions:
        return 1.0
    if isinstance(weight, list | tuple):
        return float(weight[index if len(weight) > 1 else 0])
    return float(weight)


def _of_unet(key: str, weight: Mapping[str, Any], unet: Any, modules: Sequence[str]) -> Iterator[Problem]:
    outside = [module for module in modules if len(module.split(".")) < _DEEPEST_NAME]
    if outside:
        yield Problem(key, f"this LoRA has modules outside of all blocks, e.g. {outside[0]}: give one number")
    if not getattr(unet.mid_block, "attentions", None):
        yield Problem(key, "this UNet has no attention in the middle, which weights by block need: give one number")
    sides = {"down": _attentions(unet.down_blocks), "mid": {}, "up": _attentions(unet.up_blocks)}
    for side, of_side in weight.items():
        there = f"{key}.{side}"
        if side not in sides:
            yield Problem(there, f"is not a part of the unet: {_listed(sides)}", nearest=nearest(side, sides))
        elif side == "mid":
            yield from _of_block(there, of_side, 1)
        elif isinstance(of_side, Mapping):
            for block, of_block in of_side.items():
                if block in sides[side]:
                    yield from _of_block(f"{there}.{block}", of_block, sides[side][block])
                else:
                    what = f"the blocks with attention there are {_listed(sides[side])}"
                    yield Problem(f"{there}.{block}", what, nearest=nearest(block, sides[side]))
        else:
            for count in set(sides[side].values()):
                yield from _of_block(there, of_side, count)


def _of_block(key: str, weight: Any, attentions: int) -> Iterator[Problem]:
    if isinstance(weight, Mapping):
        yield Problem(key, "must be a number or a list of numbers", weight)
    elif isinstance(weight, list | tuple):
        if len(weight) not in (1, attentions):
            yield Problem(key, f"must be one number or a list of {attentions}", weight)
        elif not all(isinstance(item, int | float) for item in weight):
            yield Problem(key, "must hold numbers only", weight)


def _attentions(blocks: Any) -> dict[str, int]:
    """Count the attentions of each block, by the name that diffusers gives it."""
    return {f"block_{i}": len(block.attentions) for i, block in enumerate(blocks) if hasattr(block, "attentions")}


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
