"""What a LoRA file says of itself to peft, which may be untrusted: patterns are names, and numbers have bounds.

diffusers reads ``lora_adapter_metadata`` of a safetensors header as the arguments of peft's ``LoraConfig``, and peft
takes some of these for regular expressions, which can take for ever, and others for what to import (Megatron) or to
make of the base's own weights (PiSSA, EVA, ...).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping

KEY = "lora_adapter_metadata"

_PATTERNS = re.compile(
    r"(.*\.)?(target_modules|exclude_modules|modules_to_save|target_parameters|layers_pattern|rank_pattern|alpha_pattern)"
)
_KNOWN = frozenset(
    {"r", "lora_alpha", "target_modules", "exclude_modules", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora"}
    | {"bias", "lora_bias", "fan_in_fan_out", "lora_dropout", "modules_to_save", "target_parameters", "inference_mode"}
    | {"layers_to_transform", "layers_pattern", "init_lora_weights", "task_type", "peft_type", "peft_version"}
    | {"base_model_name_or_path", "revision", "auto_mapping", "megatron_core", "qalora_group_size"}
)
"""What a file may set of peft's ``LoraConfig``; those that name something are not looked at without the others."""
_INITIAL = (None, True, False, "gaussian")
"""Ways to begin a training that leave the base as it is."""
_NAME = re.compile(r"\^?[\w.-]{1,300}\$?", re.ASCII)
_MOST = 1_000_000
_MOST_NAMES = 8192
_DEPTH = 8
_LONGEST = 2000


def problem(metadata: Mapping[str, str]) -> str | None:
    """Say what is wrong with the metadata of a weight file, or None.

    Args:
        metadata: of its header.
    """
    if KEY not in metadata:
        return None
    try:
        config = json.loads(metadata[KEY])
    except (ValueError, RecursionError):
        return f"has a {KEY} that is not JSON"
    if not isinstance(config, dict):
        return f"has a {KEY} that is not a mapping"
    found = itertools.chain(_problems(config, "", False, 0), _unknown(config))
    return next((f"{KEY}: {what}" for what in found), None)


def _unknown(config: Mapping[str, object]) -> Iterator[str]:
    for key, value in config.items():
        name = key.rpartition(".")[2]
        if name not in _KNOWN and _is_set(value):
            yield f"{key[:60]}: is nothing that a LoRA file may set"
        if name == "init_lora_weights" and value not in _INITIAL:
            yield f"{key[:60]}: would change the base's own weights; have peft convert the file to a plain LoRA"


def _is_set(value: object) -> bool:
    return any(map(_is_set, value.values())) if isinstance(value, dict) else value not in (None, False, "", [])


def _problems(node: object, key: str, named: bool, depth: int) -> Iterator[str]:
    shown = key[:60]
    match node:
        case dict() | list() if depth > _DEPTH:
            yield f"{shown}: nests deeper than {_DEPTH}"
        case dict() | list() if len(node) > _MOST_NAMES:
            yield f"{shown}: has {len(node):,} entries; {_MOST_NAMES:,} are allowed"
        case dict():
            for name, value in node.items():
                if named:
                    yield from _problems(name, key, True, depth + 1)
                inner = key if named else str(name)
                yield from _problems(value, inner, named or _PATTERNS.fullmatch(inner) is not None, depth + 1)
        case list():
            for value in node:
                yield from _problems(value, key, named, depth + 1)
        case str() if named and not _NAME.fullmatch(node):
            yield f"{shown}: {node[:60]!r} is not the name of a module; regular expressions are not taken"
        case str() if len(node) > _LONGEST:
            yield f"{shown}: has {len(node):,} characters"
        case int() | float() if not abs(node) <= _MOST:  # nor is NaN
            yield f"{shown}: is no number that a LoRA has"
        case _:
            pass
