"""Names of images by what made them (``output.name``): a template with keys in braces, filled in as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tcdflow.errors import Problem
from tcdflow.spec.model import RunSpec
from tcdflow.spec.nearest import nearest
from tcdflow.text import slug

KEY = "output.name"
NUMBER = "number"
"""In braces, the number of the image in its run: 000, 001."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_LONGEST = 100
_RESERVED = re.compile(r"(run|grid|inputs|control_.*)", re.IGNORECASE)
"""Names of other files of a run directory."""


def problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield what is wrong with a template: keys that the run has not, or that hold no single value."""
    template = spec.output.name
    if template is None:
        return
    if re.search(r"[{}]", _FIELD.sub("", template)):
        yield Problem(KEY, "each brace that opens closes again: {prompt}-{sampling.seed}", template)
    if "/" in template or "\\" in template:
        yield Problem(KEY, "names files, not folders; hydra.run.dir names the directory", template)
    values = _values(spec)
    for key in dict.fromkeys(_FIELD.findall(template)):
        if key not in values:
            near = nearest(key, values)
            yield Problem(KEY, f"{{{key}}} is no key of this run with a single value", template, nearest=near)


def stem(spec: RunSpec, number: int, seed: int) -> str:
    """Return the name of an image without its suffix.

    Args:
        spec: of its run.
        number: of the image in its run.
        seed: of its noise, which ``{sampling.seed}`` stands for.
    """
    plain = f"{number:03d}"
    if spec.output.name is None:
        return plain
    values = _values(spec) | {NUMBER: plain, "sampling.seed": str(seed)}
    name = slug(_FIELD.sub(lambda found: values.get(found[1], ""), spec.output.name), _LONGEST)
    return f"_{name}" if name.startswith("-") or _RESERVED.fullmatch(name) else name or plain


def _values(spec: RunSpec) -> dict[str, str]:
    """Return the single values of a run by their dotted keys, as text."""
    found = {NUMBER: ""}

    def add(node: Any, key: str) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                add(value, f"{key}.{name}" if key else name)
        elif isinstance(node, float):
            found[key] = f"{node:g}"
        elif not isinstance(node, list) or key == "sampling.seed":
            found[key] = "" if node is None else str(node)

    add(spec.model_dump(mode="json"), "")
    return found
