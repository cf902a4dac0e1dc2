"""Every key of the configuration: its type, range, default and meaning, read from the typed models.

The one source of what ``tcdflow ls GROUP.``, ``tcdflow explain``, completion and ``docs/keys.md`` say of keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tcdflow.spec.schema import Schema, alternatives, json_schema, resolved
from tcdflow.spec.types import Settings

NAME = "NAME"
"""Stands for the name of a LoRA or adapter: ``loras.NAME.weight``."""


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        name: dotted, such as ``sampling.eta`` or ``adapters.NAME.scale``.
        type: in words: ``whole number``, ``list of text``.
        description: what it means, with its unit.
        range: in words, such as ``0 to 1``; empty where any value of the type is allowed.
        choices: the values that are allowed, null aside; empty where they are not a fixed list.
        meanings: of the choices, in their order, where each is a part with a meaning of its own.
        examples: some of the values that are allowed, where there are more.
        default: as written in a YAML; None where there is none and the key has to be set.
        kinds: the parts that have the key, such as ``("controlnet",)``; empty if all that can stand there do.
    """

    name: str
    type: str
    description: str = ""
    range: str = ""
    choices: tuple[str, ...] = ()
    meanings: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    default: str | None = None
    kinds: tuple[str, ...] = ()

    def matches(self, key: str) -> bool:
        """Say whether a key that a user wrote, such as ``loras.tcd.weight``, is this one."""
        own, other = self.name.split("."), key.split(".")
        return len(own) == len(other) and all(a in (b, NAME) for a, b in zip(own, other, strict=True))


def keys(model: type[Settings], under: str = "") -> list[Key]:
    """Return the keys of a model and of those within it, each before those below it.

    Args:
        model: the model.
        under: key that it stands at, if it is not the whole.
    """
    whole = json_schema(model)
    return list(_below([whole], under, whole.get("$defs", {})))


def _below(models: list[Schema], prefix: str, definitions: Schema) -> Iterator[Key]:
    """Yield the keys of the models that can stand at one place; what several of them share comes once."""
    names = list(dict.fromkeys(name for model in models for name in model["properties"]))
    for name in names:
        key = f"{prefix}.{name}" if prefix else name
        having = [model for model in models if name in model["properties"]]
        if all("const" in model["properties"][name] for model in having):
            yield _tag(key, name, having)
            continue
        found: dict[Key, list[Schema]] = {}
        for model in having:
            for one in _at(key, model["properties"][name], name in model.get("required", ()), definitions):
                found.setdefault(one, []).append(model)
        for one, those in found.items():
            tags = tuple(tag for model in those for tag in _tags(model))
            yield one if one.kinds or len(those) == len(models) else replace(one, kinds=tags)


def _tag(key: str, name: str, models: list[Schema]) -> Key:
    """Return the key that tells which part a mapping holds the settings of."""
    fields = [model["properties"][name] for model in models]
    return Key(
        key,
        "choice",
        next((field["description"] for field in fields if "description" in field), ""),
        choices=tuple(str(field["const"]) for field in fields),
        meanings=tuple(model.get("description", "") for model in models),
    )


def _at(key: str, node: Schema, required: bool, definitions: Schema) -> Iterator[Key]:
    """Yield the key at a property, and the keys below it."""
    options = alternatives(node, definitions)
    models = [option for option in options if "properties" in option]
    mapping = next((inner for option in options for inner in _values(option)), None)
    if mapping is not None:
        entries = [option for option in alternatives(mapping, definitions) if "properties" in option]
        if entries:
            yield from _below(entries, f"{key}.{NAME}", definitions)
            return
    nullable = any(option.get("type") == "null" for option in options)
    if not models or nullable:
        yield Key(
            key,
            _type(options, definitions),
            resolved(node, definitions).get("description", ""),
            _range(options),
            choices=_choices(options),
            examples=tuple(map(str, node.get("examples", ()))),
            default=None if required else _yaml(node.get("default", {})),
        )
    if models:
        yield from _below(models, key, definitions)


def _values(option: Schema) -> Iterator[Schema]:
    """Yield the schema of a mapping's values, if it says one."""
    yield from option.get("patternProperties", {}).values()
    if isinstance(option.get("additionalProperties"), dict):
        yield option["additionalProperties"]


def _tags(model: Schema) -> list[str]:
    return [str(value["const"]) for value in model["properties"].values() if "const" in value]


def _type(options: list[Schema], definitions: Schema) -> str:
    return " or ".join(dict.fromkeys(_word(option, definitions) for option in options))


def _word(option: Schema, definitions: Schema) -> str:
    kind = option.get("type")
    if kind == "array":
        items = _type(alternatives(option.get("items", {}), definitions), definitions)
        return f"list of {_MANY.get(items, items)}"
    if "const" in option:
        return str(option["const"])
    if "enum" in option:
        return "choice"
    return _WORDS.get(str(kind), "any value")


_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
    "null": "null",
}
_MANY = {
    "whole number": "whole numbers",
    "number": "numbers",
    "mapping": "mappings",
    "choice": "choices",
    "list of text": "lists of text",
}


def _range(options: list[Schema]) -> str:
    numbers = [option for option in options if option.get("type") in ("integer", "number")]
    return _bounds(numbers[0]) if numbers else ""


def _bounds(option: Schema) -> str:
    if "minimum" in option and "maximum" in option:
        return f"{_number(option['minimum'])} to {_number(option['maximum'])}"
    return ", ".join(f"{words} {_number(option[name])}" for name, words in _ENDS.items() if name in option)


_ENDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def _number(value: Any) -> str:
    return "2^63 - 1" if value == 2**63 - 1 else f"{value:g}" if isinstance(value, float) else str(value)


def _choices(options: list[Schema]) -> tuple[str, ...]:
    found = [str(value) for option in options for value in option.get("enum", ())]
    return (*found, *(("true", "false") if any(option.get("type") == "boolean" for option in options) else ()))


def _yaml(value: Any) -> str:
    """Write a default as it stands in a YAML."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value)
