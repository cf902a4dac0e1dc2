"""Merges several LoRAs into one, by peft's ``LoraModel.add_weighted_adapter``.

diffusers puts LoRAs into a component without a ``LoraModel``, and merging is a method of that class. So the LoRAs,
once diffusers has read and translated their files, are copied into a ``LoraModel`` around a skeleton: layers of the
component's shapes that hold no weights. The component itself is never touched.

Methods: TIES (arXiv 2306.01708), DARE (arXiv 2311.03099); linear, cat and svd as peft's guide on model merging has
them. All is done on a CPU in float32, whatever the run's device and dtype, so that one seed means one result.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer, LoraModel
from torch import Tensor, nn

from tcdflow.errors import ConfigError, Problem
from tcdflow.pipeline.adapter_names import lora_name
from tcdflow.spec.model import MergeSpec

EQUAL_RANKS = ("linear", "ties", "dare_linear", "dare_ties")
"""Methods that add LoRAs up matrix by matrix, which must have the same shapes."""

_MERGED = "merged"


def merge(component: nn.Module, weights: Mapping[str, float], spec: MergeSpec) -> dict[str, Tensor]:
    """Merge LoRAs that diffusers has attached to a component.

    A component that one LoRA alone has weights for gets these, weighted: peft has nothing to merge there.

    Args:
        component: a UNet or text encoder with LoRA layers in it; it stays as it is.
        weights: weight by the LoRA's adapter name, in the stack's order.
        spec: method, density and seed.

    Returns:
        The merged LoRA in peft's naming without the adapter's name, to be used with weight and scale 1; empty if
        none of the LoRAs has weights for this component.

    Raises:
        ConfigError: if the LoRAs are of a kind or of ranks that the method cannot merge.
    """
    layers = {path: layer for path, layer in component.named_modules() if isinstance(layer, LoraLayer)}
    names = [name for name in weights if any(name in layer.lora_A for layer in layers.values())]
    if not names:
        return {}
    configs: dict[str, LoraConfig] = {name: component.peft_config[name] for name in names}  # type: ignore[index]
    _check_kind(configs)
    if len(names) > 1 and spec.method in EQUAL_RANKS:
        _check_ranks(spec.method, names, layers)
    model = _lora_model(layers, configs)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a density of 1 prunes nothing, as was asked for
        torch.manual_seed(spec.seed)
        model.add_weighted_adapter(
            names,
            [float(weights[name]) for name in names],
            _MERGED,
            combination_type=spec.method,
            density=spec.density,
            svd_rank=_svd_rank(names, layers),
            # The rows left out have no share in the result, and take gigabytes for the widest layers of SDXL.
            svd_full_matrices=False,
        )
    return dict(_tensors(model.model.named_modules(), _MERGED))


def _tensors(modules: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    for path, layer in modules:
        if isinstance(layer, LoraLayer) and name in layer.lora_A:
            yield f"{path}.lora_A.weight", layer.lora_A[name].weight.detach().to("cpu", torch.float32)
            yield f"{path}.lora_B.weight", layer.lora_B[name].weight.detach().to("cpu", torch.float32)


def _lora_model(layers: Mapping[str, Any], configs: Mapping[str, LoraConfig]) -> Any:
    skeleton = _skeleton(layers)
    model: Any = None
    for name, config in configs.items():
        tensors = dict(_tensors(layers.items(), name))
        if model is None:
            model = LoraModel(skeleton, {name: copy.deepcopy(config)}, name, low_cpu_mem_usage=True, state_dict=tensors)
        else:
            model.peft_config[name] = copy.deepcopy(config)
            model.inject_adapter(skeleton, name, low_cpu_mem_usage=True, state_dict=tensors)
        set_peft_model_state_dict(skeleton, tensors, name, low_cpu_mem_usage=True)
    return model


def _skeleton(layers: Mapping[str, Any]) -> nn.Module:
    """Build the tree of a component with nothing in it but, at the paths of its LoRA layers, layers of that shape."""
    root = nn.Module()
    for path, layer in layers.items():
        base = layer.get_base_layer()
        twin = _conv(base) if isinstance(base, nn.Conv2d) else _linear(base)
        # peft moves LoRAs to the device of their layer, so it must not be meta; one number stands for all.
        twin.weight = nn.Parameter(torch.zeros(()).expand(base.weight.shape), requires_grad=False)
        *parents, last = path.split(".")
        node = root
        for parent in parents:
            if not hasattr(node, parent):
                node.add_module(parent, nn.Module())
            node = getattr(node, parent)
        node.add_module(last, twin)
    return root


def _conv(base: Any) -> nn.Module:
    size = base.in_channels, base.out_channels, base.kernel_size
    return nn.Conv2d(*size, groups=base.groups, bias=False, device="meta")


def _linear(base: Any) -> nn.Module:
    return nn.Linear(base.in_features, base.out_features, bias=False, device="meta")


def _check_kind(configs: Mapping[str, LoraConfig]) -> None:
    for name, config in configs.items():
        kind = "LoKr" if not isinstance(config, LoraConfig) else "DoRA" if config.use_dora else ""
        if kind or config.lora_bias:
            what = f"is a {kind}" if kind else "has biases of its own"
            raise ConfigError([Problem("lora_stack.merge", f"'{lora_name(name)}' {what}, which peft cannot merge")])


def _ranks(name: str, layers: Mapping[str, Any]) -> dict[str, int]:
    return {path: layer.r[name] for path, layer in layers.items() if name in layer.lora_A}


def _check_ranks(method: str, names: Sequence[str], layers: Mapping[str, Any]) -> None:
    ranks = {name: _ranks(name, layers) for name in names}
    greatest = {name: max(of.values()) for name, of in ranks.items()}
    if len(set(greatest.values())) > 1:
        shown = ", ".join(f"{lora_name(name)} has {rank}" for name, rank in greatest.items())
        raise _unequal(method, shown)
    for path in layers:
        here = {name: ranks[name][path] for name in names if path in ranks[name]}
        if len(set(here.values())) > 1:
            shown = ", ".join(f"{lora_name(name)} has {rank}" for name, rank in here.items())
            raise _unequal(method, f"{shown} at {path}")


def _unequal(method: str, ranks: str) -> ConfigError:
    what = f"needs LoRAs of one rank, and {ranks}; cat and svd take any"
    return ConfigError([Problem("lora_stack.merge.method", what, method)])


def _svd_rank(names: Sequence[str], layers: Mapping[str, Any]) -> int:
    """Return peft's own choice, the greatest rank, or what the smallest convolution can have: peft fails above."""
    greatest = max(max(_ranks(name, layers).values()) for name in names)
    bases = [layer.get_base_layer() for layer in layers.values()]
    convolutions = [base.weight for base in bases if isinstance(base, nn.Conv2d)]
    return min([greatest, *(min(w.shape[0], w[0].numel()) for w in convolutions)])
