"""From pydantic's errors to problems that name the key, the value, what is allowed and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tcdflow.errors import Problem
from tcdflow.spec.nearest import called_here, nearest
from tcdflow.spec.registry import OneOf
from tcdflow.spec.types import Settings


def problems_of(
    error: ValidationError,
    model: type[Settings],
    origin: Callable[[str], str | None],
    also: Sequence[str] = (),
    under: str = "",
) -> list[Problem]:
    """Translate each violation.

    Args:
        error: what pydantic found.
        model: the model that was validated.
        origin: says which override or file set a key.
        under: key that the model stands at, if it is not the whole.
        also: names that are allowed at the top beside the model's fields, for suggestions.
    """
    return [
        _problem(dict(item), model, origin, also, under)
        for item in error.errors(include_url=False, include_context=True, include_input=True)
    ]


def _problem(
    item: dict[str, Any], model: type[Settings], origin: Callable[[str], str | None], also: Sequence[str], under: str
) -> Problem:
    loc: tuple[int | str, ...] = item["loc"]
    key, siblings, field, others = _walk(model, loc)
    key = f"{under}.{key}" if under else key
    kind = item["type"]
    if kind == "extra_forbidden":
        known = [*siblings, *(also if len(loc) == 1 else ())]
        if has := [name for name, other in others.items() if loc[-1] in other.model_fields]:
            what = f"has no effect here; it is for {', '.join(has)}"
            return Problem(key, what, item.get("input"), origin(key), kind="for another")
        near = _meant(model, str(loc[-1]), known, top=len(loc) == 1)
        what = "unknown key" if near else f"unknown key; known are {', '.join(known)}"
        return Problem(key, what, origin=origin(key), nearest=near)
    if kind == "union_tag_not_found":
        key = f"{key}.{item['ctx']['discriminator'].strip(chr(39))}"
    if kind in ("missing", "union_tag_not_found"):
        return Problem(key, "is required and set nowhere", origin=origin(key), kind="missing")
    value = item.get("input")
    near = None
    if kind == "literal_error":
        near = nearest(str(value), re.findall(r"'([^']*)'", item["ctx"]["expected"]))
    if kind == "union_tag_invalid":
        tag = str(item["ctx"]["tag"])
        allowed = item["ctx"]["expected_tags"]
        key = f"{key}.{item['ctx']['discriminator'].strip(chr(39))}"
        near = nearest(tag, re.findall(r"'([^']*)'", allowed))
        return Problem(key, f"must be one of {allowed}", tag, origin(key), near)
    if kind == "string_pattern_mismatch" and field is not None and field.examples:
        allowed = [str(example) for example in field.examples]
        return Problem(
            key, f"must be one of {', '.join(allowed)}", str(value), origin(key), nearest(str(value), allowed)
        )
    shown = "" if value is None else value if isinstance(value, str | int | float | bool) else repr(value)
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than") and (bounds := _bounds(field)):
        return Problem(key, bounds, shown, origin(key))
    shown = shown if value is not None else "null"
    return Problem(key, _describe(item), shown, origin(key), near, kind="no mapping" if kind in _MAPPINGS else None)


def _meant(model: type[Settings], name: str, known: Sequence[str], *, top: bool) -> str | None:
    """Return the key that was probably meant by an unknown one.

    Args:
        model: the whole.
        name: the last part of the unknown key.
        known: names that are allowed in its place.
        top: whether it stands at the top.
    """
    here = called_here(name)
    if here.startswith("hydra."):
        return here
    elsewhere = _inside(model, here) or _inside(model, name)
    if top:
        return elsewhere or nearest(name, known)
    # The same name, or what other tools call a name, is meant rather than one that is spelt alike.
    same = nearest(name, known, likeness=1.0)
    at_top = here if here in model.model_fields else None
    return same or at_top or elsewhere or nearest(name, known)


def _inside(model: type[Settings], name: str) -> str | None:
    """Return the one group of a model that has a key of this name, with the key: ``sampling.eta`` for ``eta``."""
    groups = {
        group
        for group, field in model.model_fields.items()
        if get_origin(field.annotation) is not dict
        for member in members(
            Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        ).values()
        if name in member.model_fields and name != "description"
    }
    return f"{groups.pop()}.{name}" if len(groups) == 1 else None


def _bounds(field: FieldInfo | None) -> str | None:
    """Say the whole range of a number that missed one end of it."""
    found = [
        f"{words} {bound:g}"
        for name, words in _ENDS.items()
        for constraint in (field.metadata if field else ())
        if (bound := getattr(constraint, name, None)) is not None
    ]
    return f"must be {' and '.join(found)}" if len(found) == 2 else None


_ENDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def _describe(item: dict[str, Any]) -> str:
    message: str = item["msg"]
    for old, new in _WORDS:
        message = re.sub(old, new, message)
    given = item.get("input")
    if item["type"] == "string_type" and isinstance(given, int | float):
        return f"{message}; put quotes around it"
    if item["type"] in _SINGLE and isinstance(given, list):
        return f"{message}; several of them are a sweep: -m KEY=A,B, or sweep.axes in a YAML"
    return message


_SINGLE = ("string_type", "int_type", "float_type", "bool_type")
"""What pydantic calls a value that is not the one that belongs there."""

_MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
"""What pydantic calls a value that is no mapping."""

_WORDS = (
    (r"^Value error, ", ""),
    (r"^Input should be a valid integer.*", "must be a whole number"),
    (r"^Input should be a valid number.*", "must be a number"),
    (r"^Input should be a valid boolean.*", "must be true or false"),
    (r"^Input should be a valid string.*", "must be text"),
    (r"^Input should be a valid dictionary.*", "must be a mapping"),
    (r"^Input should be a valid dictionary or instance of .*", "must be a mapping"),
    (r"^Input should be ", "must be "),
    (r"^String should match pattern '(.*)'$", r"must match \1"),
    (r"^String should ", "must "),
)


def _walk(
    model: type[Settings], loc: Sequence[int | str]
) -> tuple[str, list[str], FieldInfo | None, dict[str, type[Settings]]]:
    """Return the dotted key at ``loc``, without pydantic's union tags, its siblings' names and its own field.

    Last come the other members of the union that it lies in, by their tags.
    """
    here: Any = model
    key: list[str] = []
    siblings: list[str] = []
    field: FieldInfo | None = None
    others: dict[str, type[Settings]] = {}
    for part in loc:
        if part == "[key]":
            continue
        tagged = members(here)
        if part in tagged and None not in tagged:
            here = tagged[str(part)]
            others = {name: other for name, other in tagged.items() if name and other is not here}
            continue
        models = list(tagged.values())
        siblings = [name for member in models for name in member.model_fields]
        key.append(str(part))
        field = models[0].model_fields.get(str(part)) if models else None
        if field is not None:
            here = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        elif get_origin(here) is dict:
            here = get_args(here)[1]
        else:
            here = None
    return ".".join(key), siblings, field, others


def members(annotation: Any) -> dict[str | None, type[Settings]]:
    """Return the models that an annotation stands for: by their tags in a registry, or one model under None."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        registry = next((item.registry for item in metadata if isinstance(item, OneOf)), None)
        return members(inner) if registry is None else dict(registry.items())
    if get_origin(annotation) in (Union, UnionType):
        return {tag: member for option in get_args(annotation) for tag, member in members(option).items()}
    return {None: annotation} if isinstance(annotation, type) and issubclass(annotation, Settings) else {}
