"""``tcdflow ls [GROUP]``: what can be chosen, with one line each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import OmegaConf

from tcdflow import embedded
from tcdflow.cli import flags
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest
from tcdflow.text import one_line


def ls(argv: Sequence[str]) -> int:
    """List the groups, the options of the groups named, or what an embedded model can draw."""
    args = flags.parse(argv[1:])
    composer = Composer(args.config_dir)
    groups = composer.groups()
    models = [name for name in args.overrides if name in embedded.MODELS]
    chosen = [name for name in args.overrides if name not in models]
    unknown = [name for name in chosen if name not in groups]
    if unknown:
        allowed = ", ".join(groups)
        raise ConfigError(
            [Problem(name, f"is no group; there are {allowed}", nearest=nearest(name, groups)) for name in unknown]
        )
    lines: list[str] = []  # to say all, or what is wrong with one of the files
    for group in chosen or (() if models else groups):
        lines += [group, *(f"  {name:<18} {says}".rstrip() for name, says in _options(composer, group))]
    for model in models:
        _show_vocabulary(model)
    for line in lines:
        print(one_line(line))
    return 0


def _show_vocabulary(model: str) -> None:
    known = embedded.vocabulary(model)
    print(f"{model}, a SUBJECT or a SUBJECT on a COLOUR background")
    for what, names in (("colours", known.colours), ("subjects", known.subjects)):
        print(textwrap.fill(f"{what}: {', '.join(names)}", 100, initial_indent="  ", subsequent_indent="    "))


def _options(composer: Composer, group: str) -> Iterator[tuple[str, str]]:
    for name in composer.options(group):
        result = composer.loader.repository.load_config(f"{group}/{name}")
        content: Any = OmegaConf.to_container(result.config, resolve=False) if result else {}
        yield name, _description(content)


def _description(content: Any) -> str:
    """Return what a preset says of itself: its description, that of its one entry, or its prompt."""
    if not isinstance(content, dict):
        return ""
    said = content.get("description") or content.get("prompt")
    if said:
        text = " ".join(str(said).split())
        return text if len(text) <= 100 else text[:97] + "..."
    inner = [value for value in content.values() if isinstance(value, dict)]
    return _description(inner[0]) if len(inner) == 1 else ""
