"""``tcdflow explain KEY``: what a key, a group or a command is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import yaml

from tcdflow.cli import ls
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.keytable import allowed, changes, close_to, find, table
from tcdflow.cli.verbs import VERBS
from tcdflow.config import places
from tcdflow.config.compose import CONFIG_NAME
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.keys import Key
from tcdflow.text import one_line

EXAMPLES = (
    ("tcdflow explain sampling.eta", "show type, range, default and meaning, and what the presets set"),
    ("tcdflow explain loras.tcd.weight", "a key of one LoRA or adapter, by its name"),
)
_WIDTH = 100


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = Arguments("explain", "Show what a key, a group or a command is.", EXAMPLES)
    parser.add_argument("names", nargs="+", metavar="KEY", help="a key (sampling.eta), a group (sampling) or a command")
    return parser


def main(argv: Sequence[str]) -> int:
    """Print what each name is."""
    words = [word.partition("=")[0].lstrip("+~") for word in parser().read(argv).names]
    unknown = [word for word in words if not _known(word)]
    if unknown:
        raise ConfigError([_unknown(word) for word in unknown])
    for place, word in enumerate(words):
        if place:
            print()
        found = find(word)
        if found:
            print("\n\n".join("\n".join(_lines(key)) for key in found))
        elif word in places.groups():
            ls.main([word, *([f"{word}."] if word != "experiment" else [])])
        elif word not in VERBS:
            ls.main([f"{word}."])
        if word in VERBS:  # one of them is a key, too
            print(("\n" if found else "") + VERBS[word].module.parser().format_help(), end="")
    return 0


def _known(word: str) -> bool:
    return word in VERBS or word in places.groups() or bool(find(word)) or _holds_keys(word)


def _holds_keys(word: str) -> bool:
    """Say whether a word is the part of known keys before a dot, such as ``sweep`` or ``lora_stack``."""
    return word != "" and any(key.name.startswith(f"{word.rstrip('.')}.") for key in table())


def _unknown(word: str) -> Problem:
    what = "unknown key, group or command; tcdflow ls lists groups, 'tcdflow ls GROUP.' the keys of one"
    return Problem(word, what, nearest=close_to(word, tuple(VERBS)))


def _lines(key: Key) -> Iterator[str]:
    yield key.name + (f" [{', '.join(key.kinds)}]" if key.kinds else "")
    yield from textwrap.wrap(key.description, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield f"  type            {allowed(key)}"
    for choice, meaning in zip(key.choices, key.meanings, strict=False):
        yield f"    {choice:<18}{one_line(meaning)}"
    if key.examples:
        yield f"  for example     {', '.join(key.examples)}"
    yield f"  default         {_by_default(key) if key.default is None else key.default}"
    if presets := ", ".join(f"{preset}: {value}" for preset, value in _presets(key)):
        yield from textwrap.wrap(f"  set by presets  {presets}", _WIDTH, subsequent_indent=" " * 18)
    yield f"  changes pixels  {changes(key)}"


def _by_default(key: Key) -> str:
    """Say what sets a key that has no default of its own, where nothing is chosen."""
    config = yaml.safe_load((places.conf_dir() / f"{CONFIG_NAME}.yaml").read_text("utf-8"))
    for name, value, _ in _leaves(config, ""):
        if key.matches(name):
            return f"{_shown(value)}, by {CONFIG_NAME}.yaml"
    group = key.name.partition(".")[0]
    chosen = next((entry[group] for entry in config["defaults"] if isinstance(entry, dict) and group in entry), None)
    names = chosen if isinstance(chosen, list) else [chosen]
    found = dict(_presets(key))
    set_by = [
        f"{found[name]}, by {group}={name if names == [chosen] else f'[{name}]'}" for name in names if name in found
    ]
    return ", ".join(set_by) or "none, it has to be set"


def _shown(value: object) -> str:
    if value == "???":
        return "has to be set"
    return one_line(yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip())


def _presets(key: Key) -> Iterator[tuple[str, str]]:
    """Yield the presets of the key's group that set it, each with the value."""
    group = key.name.partition(".")[0]
    if group not in places.groups() or key.name.endswith(".description"):
        return
    for path in places.files(group):
        for name, value, beside in _leaves(yaml.safe_load(path.read_text("utf-8")), group):
            if key.matches(name) and (not key.kinds or beside.get("name", beside.get("kind")) in key.kinds):
                yield path.stem, _shown(value)


def _leaves(node: object, prefix: str) -> Iterator[tuple[str, object, dict[str, object]]]:
    """Yield each key of nested mappings with its value and the mapping that holds it."""
    if isinstance(node, dict):
        for name, value in node.items():
            key = f"{prefix}.{name}" if prefix else str(name)
            yield key, value, node
            yield from _leaves(value, key)
