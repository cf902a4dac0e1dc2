"""Configs of components, which may be untrusted: held against what models have, before a library reads them.

A library builds what a config says before it looks at the weights, imports what a config names, and fetches what a
config points at. So what chooses code, an implementation or another repository is refused by name, and every count and
size has a bound that no published model of the supported families comes near.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tcdflow.files.component_kinds import wrong_kind, wrong_processing

_CODE = frozenset(
    {"auto_map", "custom_pipeline", "custom_pipelines", "trust_remote_code", "quantization_config", "quant_method"}
    | {"compression_config", "kernel_config", "use_kernels", "use_timm_backbone", "use_pretrained_backbone"}
    | {"pretrained_backbone_checkpoint", "base_model_name_or_path", "peft_type", "fusion_config", "gguf_file"}
    | {"transformers_weights"}
)
"""Keys that make a library import, fetch or quantize, or read other weights than those that it is given."""

_IMPLEMENTATION = re.compile(r"_?(\w+_)?implementation(_internal)?")
_IMPLEMENTATIONS = (None, "sdpa", "eager")
"""Ways to compute attention that the libraries have themselves; others they fetch."""

_ACTIVATION = re.compile(r"(\w+_)?(act|activation)(_fn|_function)?", re.ASCII)
_ACTIVATIONS = re.compile(
    r"(quick_)?gelu(_(10|new|fast|python|accurate|pytorch_tanh))?|(leaky_)?relu[26]?|linear|mish|sigmoid|silu|swish|tanh"
)
"""Functions that the libraries have themselves; for xielu they import a package of that name."""

_CLASSES = {
    "_class_name": re.compile(r"[A-Za-z0-9]{1,64}"),
    "architectures": re.compile(
        r"StableDiffusionSafetyChecker|(CLIP|DPT|DepthAnything|ViT|Dinov2|Siglip)\w{1,40}", re.ASCII
    ),
    "model_type": re.compile(r"(clip|siglip)(_text_model|_vision_model)?|dpt|depth_anything|bit|dinov2|vit", re.ASCII),
    "tokenizer_class": re.compile(r"CLIPTokenizer(Fast)?|TokenizersBackend"),
    "processor_class": re.compile(r"(CLIP|Siglip)Processor|DPT\w{1,40}", re.ASCII),
    "image_processor_type": re.compile(
        r"(CLIP|DPT|ViT|Bit|Siglip)ImageProcessor(Fast|Pil)?|(CLIP|DPT|ViT)FeatureExtractor(Fast)?"
    ),
    "feature_extractor_type": re.compile(r"(CLIP|DPT|ViT)FeatureExtractor"),
}
"""Names of classes and kinds, by the key that holds them."""

_SIZES: Mapping[str, int] = {
    "addition_time_embed_dim": 65_536,
    "attention_head_dim": 16_384,
    "block_out_channels": 16_384,
    "channels": 16_384,
    "conditioning_channels": 1024,
    "conditioning_embedding_out_channels": 16_384,
    "cross_attention_dim": 65_536,
    "crop_size": 16_384,
    "encoder_hid_dim": 65_536,
    "hidden_size": 65_536,
    "image_size": 16_384,
    "in_channels": 1024,
    "intermediate_size": 262_144,
    "latent_channels": 1024,
    "layers_per_block": 16,
    "max_position_embeddings": 8192,
    "model_max_length": 8192,
    "motion_max_seq_length": 8192,
    "motion_layers_per_block": 16,
    "motion_norm_num_groups": 4096,
    "motion_transformer_layers_per_block": 32,
    "motion_num_attention_heads": 1024,
    "norm_num_groups": 4096,
    "num_attention_heads": 1024,
    "num_channels": 1024,
    "num_class_embeds": 100_000,
    "num_hidden_layers": 128,
    "num_labels": 100_000,
    "num_res_blocks": 16,
    "num_train_timesteps": 100_000,
    "out_channels": 1024,
    "patch_size": 1024,
    "projection_class_embeddings_input_dim": 262_144,
    "projection_dim": 65_536,
    "sample_size": 16_384,
    "size": 16_384,
    "time_embedding_dim": 65_536,
    "transformer_layers_per_block": 32,
    "vocab_size": 1_000_000,
}
"""The most of what a model is made of, by key; lists and mappings of such numbers are held to it, too."""

_MAY_BE_NONE = frozenset(
    {"encoder_hid_dim", "layers_per_block", "motion_transformer_layers_per_block", "num_class_embeds", "num_labels"}
    | {"projection_dim", "transformer_layers_per_block"}
)
"""What a model can have 0 of."""

_LAYER_COUNT = re.compile(r"(\w+_)?(layers|blocks|depths)(_\w+)?", re.ASCII)
_MOST_LAYERS = 128
"""Of counts of layers whose key is not above: each is built one by one."""

_ENDLESS = "lambda_min_clipped"
"""The one number of schedulers that is infinite in published configs (DPM-Solver's)."""
_MOST = 1_000_000
_MOST_FLOAT = 1e9
_MOST_ITEMS = 100_000
_MOST_BLOCKS = 16
_DEPTH = 16

_CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_TOKENS = re.compile(r"(<\\\|\w+\\\|>\|){0,8}", re.ASCII)


_LAYERS = {
    "num_hidden_layers": re.compile(r"(?:^|\.)encoder\.layers\.(\d{1,6})\.", re.ASCII),
    "layers_per_block": re.compile(r"(?:^|\.)down_blocks\.\d+\.resnets\.(\d{1,6})\.", re.ASCII),
    "transformer_layers_per_block": re.compile(r"\.transformer_blocks\.(\d{1,6})\.", re.ASCII),
}
"""How the weights number what a config counts."""

_WIDTHS = {
    "embeddings.token_embedding.weight": ("vocab_size", "hidden_size"),
    "embeddings.position_embedding.weight": ("max_position_embeddings", "hidden_size"),
    "layers.0.mlp.fc1.weight": ("intermediate_size", "hidden_size"),
}
"""What a config calls the sizes of tensors, by the end of their names."""


DATA = frozenset({"vocab.json", "added_tokens.json"})
"""Files that hold words and no settings."""

_SPECIAL_TOKENS = re.compile(r"\w{1,60}_tokens?", re.ASCII)


def problem(leaf: str, config: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a config, or None.

    Args:
        leaf: name of the file, without its folder.
        config: its content.
    """
    if leaf == "adapter_config.json":
        return "names a PEFT adapter, whose base a library would fetch; LoRAs belong to loras"
    if leaf == "tokenizer.json":
        return next(_patterns(config, 0), None)
    if leaf == "special_tokens_map.json":
        for key in config:
            if not _SPECIAL_TOKENS.fullmatch(key):
                return f"{key[:60]}: is no special token, and transformers would take it for a setting of the tokenizer"
    if config.get("model_type") == "clip_text_model" and not isinstance(config.get("eos_token_id", 2), int):
        return "eos_token_id: must be a whole number: it tells where a prompt ends"
    found = next(_problems(config, "", 0), None)
    return wrong_processing(config) if found is None and leaf == "preprocessor_config.json" else found


def mismatch(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> str | None:
    """Say where a config has more layers than its weights, or another width: a library would fill the rest at random.

    Args:
        config: of a model, without a problem.
        shapes: of its weights' tensors, by name.
    """
    for key, pattern in _LAYERS.items():
        there = _count(pattern, shapes)
        wanted = max((n for n in _leaves(config.get(key)) if isinstance(n, int)), default=0)
        if there and wanted > there:
            return f"{key}: is {wanted}, and its weights have {there}"
    for name, keys in _WIDTHS.items():
        shape = next((shape for tensor, shape in shapes.items() if tensor.endswith(name)), ())
        for key, size in zip(keys, shape, strict=False):
            if config.get(key, size) != size:
                return f"{key}: is {config[key]}, and its weights have {size}"
    return None


def _count(pattern: re.Pattern[str], names: Iterable[str]) -> int:
    return max((int(found[1]) + 1 for name in names if (found := pattern.search(name))), default=0)


def _problems(node: object, key: str, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        yield f"{key[:60]}: nests deeper than {_DEPTH}"
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _entry(str(name), value)
            yield from _problems(value, str(name), depth + 1)
    elif isinstance(node, list):
        if len(node) > _MOST_ITEMS:
            yield f"{key[:60]}: has {len(node):,} items; {_MOST_ITEMS:,} are allowed"
        for value in node:
            yield from _problems(value, key, depth + 1)
    elif key == _ENDLESS and node == -math.inf:
        return
    elif isinstance(node, float) and not (math.isfinite(node) and abs(node) <= _MOST_FLOAT):
        yield f"{key[:60]}: is no number that a model has"
    elif isinstance(node, int) and abs(node) > _MOST:
        yield f"{key[:60]}: is larger than any number that a model has"


def _entry(key: str, value: object) -> Iterator[str]:
    """Yield what is wrong with a key and its value."""
    shown = key[:60]
    if key in _CODE and value not in (None, False, {}, []):
        yield f"{shown}: would have a library import, fetch or quantize; no config may"
    if _IMPLEMENTATION.fullmatch(key) and value not in _IMPLEMENTATIONS:
        yield f"{shown}: chooses an implementation, which is not a config's to choose; 'sdpa' and 'eager' are known"
    if _ACTIVATION.fullmatch(key) and not _is_activation(value):
        yield f"{shown}: is not an activation function of the supported models"
    if key == "backbone" and value is not None:
        yield f"{shown}: names a model of another library or repository"
    if (pattern := _CLASSES.get(key)) is not None and value is not None:
        names = value if isinstance(value, list) and key == "architectures" else [value]
        if not all(isinstance(name, str) and pattern.fullmatch(name) for name in names):
            yield f"{shown}: names a class or kind of model that is not supported"
    if (what := wrong_kind(key, value)) is not None:
        yield f"{shown}: {what}"
    if (most := _SIZES.get(key, _MOST_LAYERS if _LAYER_COUNT.fullmatch(key) else None)) is not None:
        least = int(key in _SIZES and key not in _MAY_BE_NONE)
        yield from (f"{shown}: {what}" for number in _leaves(value) if (what := _wrong_size(number, least, most)))
        if isinstance(value, list) and len(value) > _MOST_BLOCKS:
            yield f"{shown}: has {len(value):,} items; {_MOST_BLOCKS} are allowed"


def _is_activation(value: object) -> bool:
    unset = value is None or isinstance(value, bool)  # whether there is one, as resnet_skip_time_act
    return unset or (isinstance(value, str) and _ACTIVATIONS.fullmatch(value) is not None)


def _wrong_size(number: object, least: int, most: int) -> str | None:
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int):
        return "must be a whole number"
    return None if least <= number <= most else f"must be at least {least} and at most {most:,}"


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value[:_MOST_ITEMS]:
            yield from _leaves(item) if isinstance(item, list | Mapping) else (item,)
    else:
        yield value


def _patterns(node: object, depth: int) -> Iterator[str]:
    """Yield regular expressions of a tokenizer other than CLIP's: one can take for ever."""
    if depth > _DEPTH:
        yield f"nests deeper than {_DEPTH}"
    elif isinstance(node, Mapping):
        pattern = node.get("Regex")
        if pattern is not None and not _is_known(pattern):
            yield "has a regular expression that is not CLIP's"
        for name, value in node.items():
            if name not in ("vocab", "merges"):
                yield from _patterns(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            yield from _patterns(value, depth + 1)


def _is_known(pattern: object) -> bool:
    if not isinstance(pattern, str):
        return False
    return pattern == r"\s+" or (pattern.endswith(_CLIP) and _TOKENS.fullmatch(pattern.removesuffix(_CLIP)) is not None)
