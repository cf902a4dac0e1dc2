"""From pydantic's errors to problems that name the key, the value, what is allowed and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError

from tcdflow.errors import Problem
from tcdflow.spec.nearest import nearest
from tcdflow.spec.types import Part


def problems_of(
    error: ValidationError, model: type[Part], origin: Callable[[str], str | None], also: Sequence[str] = ()
) -> list[Problem]:
    """Translate each violation.

    Args:
        error: what pydantic found.
        model: the model that was validated.
        origin: says which override or file set a key.
        also: names that are allowed at the top beside the model's fields, for suggestions.
    """
    return [
        _problem(dict(item), model, origin, also)
        for item in error.errors(include_url=False, include_context=True, include_input=True)
    ]


def _problem(
    item: dict[str, Any], model: type[Part], origin: Callable[[str], str | None], also: Sequence[str]
) -> Problem:
    loc: tuple[int | str, ...] = item["loc"]
    key = ".".join(str(part) for part in loc if part != "[key]")
    kind = item["type"]
    if kind == "extra_forbidden":
        known = [*_fields(model, loc[:-1]), *(also if len(loc) == 1 else ())]
        near = nearest(str(loc[-1]), known)
        what = "unknown key" if near else f"unknown key; known are {', '.join(known)}"
        return Problem(key, what, origin=origin(key), nearest=near)
    if kind == "missing":
        return Problem(key, "is required and set nowhere", origin=origin(key))
    value = item.get("input")
    near = None
    if kind == "literal_error":
        near = nearest(str(value), re.findall(r"'([^']*)'", item["ctx"]["expected"]))
    shown = "" if value is None else value if isinstance(value, str | int | float | bool) else repr(value)
    return Problem(key, _say(item), shown if value is not None else "null", origin(key), near)


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


def _fields(model: type[Part], loc: Sequence[int | str]) -> list[str]:
    """Names of the fields of the model that stands at ``loc``."""
    here: Any = model
    for part in loc:
        if isinstance(here, type) and issubclass(here, Part):
            field = here.model_fields.get(str(part))
            here = _strip(field.annotation) if field else None
        elif get_origin(here) is dict:
            here = _strip(get_args(here)[1])
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, Part) else []


def _strip(annotation: Any) -> Any:
    """Unwrap Annotated and Optional to the model or container within."""
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        options = [_strip(arg) for arg in get_args(annotation) if arg is not type(None)]
        return options[0] if len(options) == 1 else annotation
    return annotation
