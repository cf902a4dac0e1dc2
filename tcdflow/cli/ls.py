"""``tcdflow ls [GROUP]``: what can be chosen, with one line each; ``tcdflow ls GROUP.``: the keys of a group."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tcdflow import embedded
from tcdflow.cli import flags
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.keytable import allowed, below, default, plain
from tcdflow.config import places
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.keys import Key
from tcdflow.spec.nearest import nearest
from tcdflow.text import one_line, shortened

EXAMPLES = (
    ("tcdflow ls loras", "list the LoRAs that can be chosen, with a line about each"),
    ("tcdflow ls sampling.", "list the keys of sampling, with type, range, default and meaning"),
)


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = flags.overrides_parser(
        "ls",
        "List the groups and their presets; the presets of a group; with a dot, the keys of a group.",
        EXAMPLES,
        word="GROUP",
        about="a group (loras), the keys of one (loras.), or an embedded model (emoji); all groups if left out",
        hidden=("--multirun", "--fetch"),
    )
    parser.add_argument("--json", action="store_true", help="print JSON, described in docs/json.md")
    return parser


def main(argv: Sequence[str]) -> int:
    """List the groups, the options of the groups named, the keys below them, or what an embedded model can draw."""
    args = flags.read(parser(), argv, words=True)
    composer = Composer(args.config_dir)
    models = [name for name in args.overrides if name in embedded.MODELS]
    dotted = [name for name in args.overrides if name.endswith(".")]
    chosen = [name for name in args.overrides if name not in (*models, *dotted)]
    found: dict[str, Any] = {
        "groups": _groups(composer, chosen or (() if args.overrides else composer.groups())),
        "keys": {name: below(name) for name in dotted},
        "models": {name: _drawn(name) for name in models},
    }
    if args.json:
        keys = {name: [plain(key) for key in listed] for name, listed in found["keys"].items()}
        print(json.dumps({"version": 1, **found, "keys": keys}, indent=2))
    else:
        _show(found)
    return 0


def _groups(composer: Composer, names: Sequence[str]) -> dict[str, dict[str, str]]:
    groups = composer.groups()
    problems = [
        Problem(name, f"unknown group; there are {', '.join(groups)}", nearest=_nearest(name, groups))
        for name in names
        if name not in groups
    ]
    if problems:
        raise ConfigError(problems)
    return {name: dict(_options(composer, name)) for name in names}


def _nearest(name: str, groups: Sequence[str]) -> str | None:
    try:
        below(name)
    except ConfigError:
        return nearest(name, groups)
    return f"{name}."


def _drawn(model: str) -> dict[str, list[str]]:
    known = embedded.vocabulary(model)
    drawn = {
        "styles": known.styles,
        "colours": known.colours,
        "backgrounds": known.backgrounds,
        "subjects": known.subjects,
    }
    return {what: list(names) for what, names in drawn.items() if names}


def _show(found: dict[str, Any]) -> None:
    for group, options in found["groups"].items():
        for line in (group, *(f"  {name:<18} {meaning}".rstrip() for name, meaning in options.items())):
            print(one_line(line))
    for model, words in found["models"].items():
        print(f"{model}, {embedded.vocabulary(model).form}")
        for what, names in words.items():
            print(textwrap.fill(f"{what}: {', '.join(names)}", 100, initial_indent="  ", subsequent_indent="    "))
    for keys in found["keys"].values():
        for key in keys:
            print(described(key))


def described(key: Key) -> str:
    """Return a key in two lines or more: what it is, and what it means."""
    kinds = f" [{', '.join(key.kinds)}]" if key.kinds else ""
    head = f"{key.name + kinds:<32} {allowed(key)}; {default(key)}"
    text = textwrap.fill(key.description, 100, initial_indent="    ", subsequent_indent="    ")
    return f"{head}\n{text}" if text else head


def _options(composer: Composer, group: str) -> Iterator[tuple[str, str]]:
    for name in composer.options(group):
        config = f"{group}/{name}"
        try:
            result = composer.loader.repository.load_config(config)
        except ConfigError as error:  # one broken file hides no other
            yield name, f"(broken) {error}"
            continue
        content: Any = OmegaConf.to_container(result.config, resolve=False) if result else {}
        file = composer.own_file(config) or places.conf_dir() / f"{config}.yaml"
        described = _description(content) or _comment(file) or _text(_prompt_of(content))
        yield name, shortened(described, 100)


def _description(content: Any) -> str:
    """Return what a preset says of itself: its description, or that of its one entry."""
    if not isinstance(content, dict):
        return ""
    if described := _text(content.get("description")):
        return described
    inner = [value for value in content.values() if isinstance(value, dict)]
    return _description(inner[0]) if len(inner) == 1 else ""


def _prompt_of(content: Any) -> object:
    return content.get("prompt") if isinstance(content, dict) else None


def _comment(file: Path) -> str:
    """Return the comment that a file begins with, without what is for Hydra, editors and the command line."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError):
        return ""
    comment = [line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    return _text(" ".join(line for line in comment if not line.startswith(("@", "tcdflow ", "yaml-language-server"))))


def _text(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
