"""JSON schemas (draft 2020-12): of the typed configuration, and of the YAML files that hold parts of it.

A file may leave out what another file or the command line sets, and may hold an interpolation or ``???`` in the place
of any value; the schema of a file allows for both. Nothing is required in it, and unknown keys are errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tcdflow.spec.distill import DistillSpec, root_of
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.tracker import Tracking
from tcdflow.spec.types import Settings

DRAFT = "https://json-schema.org/draft/2020-12/schema"
EXPERIMENT, CONFIG, DISTILL = "experiment", "config", "distillation"
_LOCK = {"type": ["string", "null"], "description": "lock file that pins the sources, written by tcdflow lock"}
_HYDRA = {"type": "object", "description": "Hydra's own settings"}
_LOGGING = ("hydra/job_logging", "hydra/hydra_logging")

Schema = dict[str, Any]

_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Names that pydantic leaves as they are where a validator of ours stands before the number."""

_OPEN = {"type": "string", "pattern": r"\$\{|^\?\?\?$", "description": "another key's value, ${key}, or ??? for a gap"}


def json_schema(model: type[Settings]) -> Schema:
    """Return the schema of a model, with its ``$defs``, without the titles that pydantic adds."""
    return _mapped(model.model_json_schema(), _tidied)


def file_schema(group: str, groups: Sequence[str]) -> Schema:
    """Return the schema of the YAML files of a group.

    Args:
        group: ``experiment`` for files of a whole run, ``config`` for the one that all others build on and that alone
            may set what is Hydra's, ``distillation`` for the same of distillations, else a key such as ``loras``.
        groups: all groups, which a file's list of defaults may choose from.

    Raises:
        KeyError: if there is no such group.
    """
    run = json_schema(DistillSpec if group == DISTILL else root_of(group))
    definitions = run.pop("$defs")
    if group == DISTILL:
        content = run | {"properties": run["properties"] | _tracker(definitions) | {"lock": _LOCK, "hydra": _HYDRA}}
        groups = [*groups, *_LOGGING]
    elif group in (EXPERIMENT, CONFIG):
        sweep = json_schema(SweepSpec)
        definitions |= sweep.pop("$defs") | {"SweepSpec": sweep}
        beside = {"sweep": {"$ref": "#/$defs/SweepSpec"}, "lock": _LOCK}
        properties = run["properties"] | _tracker(definitions) | beside
        if group == CONFIG:
            properties["hydra"] = _HYDRA
            groups = [*groups, *_LOGGING]
        content = run | {"properties": properties}
    else:
        content = {key: value for key, value in run["properties"][group].items() if key != "default"}
    whole = _mapped({**content, "$defs": definitions | {"open": _OPEN}}, _partial)
    top = _top(whole, groups)
    return {"$schema": DRAFT, "title": f"tcdflow {group}", **top, "$defs": _used(top, whole["$defs"])}


def _tracker(definitions: Schema) -> Schema:
    """Return the property of the trackers, whose definitions are added."""
    tracking = json_schema(Tracking)
    definitions |= tracking.pop("$defs")
    properties: Schema = tracking["properties"]
    return properties


def resolved(node: Schema, definitions: Schema) -> Schema:
    """Return what a ``$ref`` names, with the keywords beside it; any other schema as it is."""
    while "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = definitions[node["$ref"].rpartition("/")[2]] | beside
    return node


def alternatives(node: Schema, definitions: Schema) -> list[Schema]:
    """Return the schemas any one of which suffices, their own alternatives taken apart."""
    node = resolved(node, definitions)
    options = node.get("anyOf") or node.get("oneOf")
    return [one for option in options for one in alternatives(option, definitions)] if options else [node]


def _top(whole: Schema, groups: Sequence[str]) -> Schema:
    """Return the schema of a file's content: that of its values, and its list of defaults."""
    defaults = _defaults(groups)

    def with_defaults(node: Schema) -> Schema:
        plain = {keyword: value for keyword, value in node.items() if keyword != "$defs"}
        plain["properties"] = {"defaults": defaults, **node.get("properties", {})}
        if names := node.get("patternProperties"):  # of LoRAs and adapters
            plain["patternProperties"] = {f"^(?!defaults$){name.lstrip('^')}": entry for name, entry in names.items()}
        return plain

    objects = [with_defaults(one) for one in alternatives(whole, whole["$defs"]) if one.get("type") == "object"]
    return objects[0] if len(objects) == 1 else {"anyOf": objects}


def _defaults(groups: Sequence[str]) -> Schema:
    names = "|".join(groups)
    choice = {"type": ["string", "null", "array"], "items": {"type": "string"}}
    chosen = {
        "type": "object",
        "patternProperties": {rf"^((override|optional) )*/?({names})(@[\w.]+)?$": choice},
        "additionalProperties": False,
    }
    what = "options to choose: base: sdxl, override /loras: [tcd, papercut]; _self_ is this file"
    return {"type": "array", "items": {"anyOf": [{"type": "string"}, chosen]}, "description": what}


def _mapped(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Change a schema and all schemas within it, the inner ones first."""
    result = dict(node)
    for keyword in ("properties", "patternProperties", "$defs"):
        if keyword in result:
            result[keyword] = {name: _mapped(inner, change) for name, inner in result[keyword].items()}
    for keyword in ("anyOf", "oneOf"):
        if keyword in result:
            result[keyword] = [_mapped(inner, change) for inner in result[keyword]]
    for keyword in ("items", "additionalProperties"):
        if isinstance(result.get(keyword), dict):
            result[keyword] = _mapped(result[keyword], change)
    return change(result)


def _tidied(node: Schema) -> Schema:
    plain = {_BOUNDS.get(keyword, keyword): value for keyword, value in node.items() if keyword != "title"}
    if "description" in plain:
        plain["description"] = " ".join(plain["description"].partition("\n\n")[0].replace("``", "").split())
    return plain


def _partial(node: Schema) -> Schema:
    """Let a file leave keys out, and hold an interpolation wherever a value stands."""
    plain = {keyword: value for keyword, value in node.items() if keyword not in ("required", "discriminator")}
    if "oneOf" in plain:  # without its name, the settings of a part may fit several
        plain["anyOf"] = plain.pop("oneOf")
    for keyword in ("properties", "patternProperties"):
        if keyword in plain:
            plain[keyword] = {name: _open(value) for name, value in plain[keyword].items()}
    if isinstance(plain.get("items"), dict):
        plain["items"] = _open(plain["items"])
    return plain


def _open(value: Schema) -> Schema:
    about: Schema = {keyword: value[keyword] for keyword in ("description", "default") if keyword in value}
    kind = {keyword: rest for keyword, rest in value.items() if keyword not in about}
    options = kind["anyOf"] if kind.keys() == {"anyOf"} else [kind]
    return {"anyOf": [*options, {"$ref": "#/$defs/open"}], **about}


def _used(node: Any, definitions: Schema) -> Schema:
    """Return the definitions that a schema refers to, directly or through others, by name."""
    found: Schema = {}
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in found:
                found[name] = definitions[name]
                waiting.append(definitions[name])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return dict(sorted(found.items()))
