"""From pydantic's errors to problems that name the key, the value, what is allowed and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tcdflow.errors import Problem
from tcdflow.spec.nearest import nearest
from tcdflow.spec.types import Part


def problems_of(
    error: ValidationError,
    model: type[Part],
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
    item: dict[str, Any], model: type[Part], origin: Callable[[str], str | None], also: Sequence[str], under: str
) -> Problem:
    loc: tuple[int | str, ...] = item["loc"]
    key, siblings, field = _walk(model, loc)
    key = f"{under}.{key}" if under else key
    kind = item["type"]
    if kind == "extra_forbidden":
        known = [*siblings, *(also if len(loc) == 1 else ())]
        near = nearest(str(loc[-1]), known)
        what = "unknown key" if near else f"unknown key; known are {', '.join(known)}"
        return Problem(key, what, origin=origin(key), nearest=near)
    if kind == "union_tag_not_found":
        key = f"{key}.{item['ctx']['discriminator'].strip(chr(39))}"
    if kind in ("missing", "union_tag_not_found"):
        return Problem(key, "is required and set nowhere", origin=origin(key))
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
    shown = "" if value is None else value if isinstance(value, str | int | float | bool) else repr(value)
    if kind in ("greater_than_equal", "less_than_equal", "greater_than") and (bounds := _bounds(field)):
        return Problem(key, bounds, shown, origin(key))
    return Problem(key, _say(item), shown if value is not None else "null", origin(key), near)


def _bounds(field: FieldInfo | None) -> str | None:
    """Say the whole range of a number that missed one end of it."""
    low = high = None
    above = "at least"
    for constraint in field.metadata if field else ():
        low = getattr(constraint, "ge", low)
        if getattr(constraint, "gt", None) is not None:
            low, above = constraint.gt, "above"
        high = getattr(constraint, "le", high)
    return f"must be {above} {low:g} and at most {high:g}" if low is not None and high is not None else None


def _say(item: dict[str, Any]) -> str:
    message: str = item["msg"]
    for old, new in _WORDS:
        message = re.sub(old, new, message)
    return message


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


def _walk(model: type[Part], loc: Sequence[int | str]) -> tuple[str, list[str], FieldInfo | None]:
    """Return the dotted key at ``loc``, without pydantic's union tags, its siblings' names and its own field."""
    here: Any = model
    key: list[str] = []
    siblings: list[str] = []
    field: FieldInfo | None = None
    for part in loc:
        if part == "[key]":
            continue
        members = _members(here)
        if len(members) > 1 and (chosen := _tagged(members, part)):
            here = chosen
            continue
        siblings = [name for member in members for name in member.model_fields]
        key.append(str(part))
        field = members[0].model_fields.get(str(part)) if members else None
        if field is not None:
            here = field.annotation
        elif get_origin(here) is dict:
            here = get_args(here)[1]
        else:
            here = None
    return ".".join(key), siblings, field


def _members(annotation: Any) -> list[type[Part]]:
    """Return the models that an annotation stands for, None and Annotated unwrapped."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for option in get_args(annotation) for member in _members(option)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, Part) else []


def _tagged(members: Sequence[type[Part]], tag: int | str) -> type[Part] | None:
    for member in members:
        for field in member.model_fields.values():
            if get_origin(field.annotation) is Literal and tag in get_args(field.annotation):
                return member
    return None
