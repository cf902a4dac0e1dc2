"""Configs are data: what a YAML may not hold, refused before Hydra acts on it.

Hydra instantiates ``_target_``s below ``hydra.callbacks``, sets variables from ``hydra.job.env_set`` and resolves
``${oc.env:...}`` into saved configs. A config file of tcdflow names no Python, sets nothing of Hydra's and reads
nothing but other keys. The person at the command line may still choose directories and plug-ins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from tcdflow.errors import ConfigError, Problem
from tcdflow.text import has_half_character, joined, reason

_HEADER = re.compile(r"\ufeff\s*#\s*@package\s+(\S+)")
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\\$\{")
"""What OmegaConf takes for the text ``${``: an odd number of backslashes stands before it."""
_PLAIN_INTERPOLATION = re.compile(r"\$\{[^${}:]*\}")
_INTERPOLATION_DEPTH = 4
_FORBIDDEN_KEYS = frozenset({"_target_", "_args_", "_partial_", "_recursive_", "_convert_"})
_FORBIDDEN_HYDRA = (
    "hydra.callbacks",
    "hydra.job.env_set",
    "hydra.job.env_copy",
    "hydra.job_logging.",
    "hydra.hydra_logging.",
    "hydra.runtime",
    "hydra.output_subdir",
    "hydra.job.chdir",
)
_LONGEST_NUMBER = 64
_NUMBER = re.compile(r"[-+]?[0-9][0-9a-fA-FxobeE_.:+-]*")
_BASES = {
    8: re.compile(r"[-+]?0[0-7_]+"),
    60: re.compile(r"[-+]?(?:[1-9][0-9_]*(?::[0-5]?[0-9])+|[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*)"),
}
"""Numbers of YAML 1.1 that nobody means: ``010`` is 8, and ``1:30`` is 90."""
MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000


def check_file(path: Path, shown: str) -> str | None:
    """Refuse what must not even reach the YAML loader: huge files, tags that build objects, alias bombs.

    Args:
        path: of the file.
        shown: what it is called.

    Returns:
        The package of its header, if Hydra would overlook that behind a byte order mark.

    Raises:
        ConfigError: with what is wrong with it.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size > MAX_FILE_BYTES:
        raise ConfigError([Problem(shown, f"the file has {size} bytes; allowed are {MAX_FILE_BYTES}")])
    try:
        # Event by event: the parser needs minutes for what the first few events already give away.
        text = path.read_text("utf-8") if size else ""
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        if what := next(_suspicious(events), None):
            raise ConfigError([Problem(shown, what)])
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise no_yaml(shown, error) from None
    header = _HEADER.match(text)
    return header[1] if header else None


def _suspicious(events: Iterator[yaml.Event]) -> Iterator[str]:
    depth = 0
    for number, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or number > MAX_NODES:
            yield f"nests deeper than {MAX_DEPTH} or has over {MAX_NODES} nodes"
        if isinstance(event, yaml.AliasEvent):
            yield f"YAML anchors and aliases are not allowed: *{event.anchor}"
        if isinstance(event, yaml.NodeEvent) and (tag := getattr(event, "tag", None)) and tag != "!":
            yield f"YAML tags are not allowed: {tag}"
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _is_huge(event.value):
            yield f"a number of {len(event.value)} characters; quote it if it is text"
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and (base := _base_of(event.value)):
            where = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
            instead = "write a number in decimal, without leading zeros, and put quotes around text"
            yield f"{where}YAML reads {event.value} in base {base}; {instead}"


def _is_huge(text: str) -> bool:
    """Say whether a plain scalar is a number longer than any setting: some are of base 60, and grow with each digit."""
    return len(text) > _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def _base_of(text: str) -> int | None:
    """Return the base in which YAML would read a plain scalar that looks like something else."""
    return next((base for base, number in _BASES.items() if number.fullmatch(text)), None)


def no_yaml(shown: str, error: Exception) -> ConfigError:
    """Say where a file is no YAML, without the lines themselves: they may be another file's, and hold secrets."""
    what = reason(error, 1000)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = joined(f"{error.context or ''} {error.problem or ''}{where}")
        if isinstance(error, yaml.scanner.ScannerError | yaml.parser.ParserError):
            what += "; text that holds ': ', ' #' or a bracket needs quotes, and each key the indent of its siblings"
    elif isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        what = "it holds bytes that are no text"
    elif isinstance(error, OSError):
        what = error.strerror or what
    return ConfigError([Problem(shown, f"is not valid YAML: {what}")])


def check_content(content: object, shown: str) -> None:
    """Refuse settings that are more than data.

    Args:
        content: of a file, interpolations as they stand there.
        shown: what the file is called.

    Raises:
        ConfigError: naming each of them.
    """
    problems = [
        Problem(key, what, None if isinstance(value, dict | list) else value, origin=shown)
        for key, value in walk(content)
        if (what := _forbidden_in_file(key, value))
    ]
    if problems:
        raise ConfigError(problems)


_HYDRA_IS_NOT_FOR_FILES = "a config file may not set anything of Hydra's; set it on the command line"


def _forbidden_in_file(key: str, value: object) -> str | None:
    if key.split(".")[0] == "hydra":
        return None if value and isinstance(value, dict) else _HYDRA_IS_NOT_FOR_FILES
    return forbidden(key, value)


def check_defaults(elements: Iterable[object], shown: str) -> None:
    """Refuse a list of defaults that holds more than names of configs, or names Hydra's.

    Args:
        elements: of the list, as Hydra has read them.
        shown: what their file is called.

    Raises:
        ConfigError: naming each that is wrong.
    """
    problems = []
    for element in elements:
        texts = [text for value in vars(element).values() for text in (value if isinstance(value, list) else [value])]
        place = str(getattr(element, "group", None) or getattr(element, "path", None) or "")
        if any(isinstance(text, str) and has_half_character(text) for text in texts):
            problems.append(Problem("defaults", "holds half of a character (a lone surrogate)", place, origin=shown))
        if "hydra" in place.split("/"):
            problems.append(Problem("defaults", "a config file may not choose parts of Hydra", place, origin=shown))
        problems += [Problem("defaults", why, text, shown) for text in texts if (why := forbidden("defaults", text))]
    if problems:
        raise ConfigError(problems)


def forbidden(key: str, value: object) -> str | None:
    """Say why a key or value may not stand in a config, or None if it may."""
    parts = key.split(".")
    if hit := _FORBIDDEN_KEYS.intersection(parts):
        return f"configs are data: '{min(hit)}' would name Python to run"
    if any(f"{key}.".startswith(f"{prefix.rstrip('.')}.") for prefix in _FORBIDDEN_HYDRA):
        return "is not for users to set"
    if isinstance(value, str) and not _interpolates_keys_only(value):
        return "only other keys may be interpolated, as in ${base.size}; resolvers are refused"
    return None


def _interpolates_keys_only(text: str) -> bool:
    """Say whether each ``${`` opens the name of a key; the name of a resolver may itself be interpolated."""
    text = without_escaped(text)
    for _ in range(_INTERPOLATION_DEPTH):
        if "${" not in text:
            return True
        text = _PLAIN_INTERPOLATION.sub("x", text)
    return "${" not in text


def without_escaped(text: str) -> str:
    """Return a text in which each ``${`` that is left opens an interpolation."""
    return _ESCAPED.sub("x", text)


def walk(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each dotted key of nested mappings and lists with its value."""
    items: Iterator[tuple[object, object]]
    if isinstance(node, dict):
        items = iter(node.items())
    elif isinstance(node, list):
        items = iter(enumerate(node))
    else:
        return
    for name, value in items:
        key = f"{prefix}.{name}" if prefix else str(name)
        yield key, value
        yield from walk(value, key)
