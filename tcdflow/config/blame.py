"""Whose mistake an error of Hydra's is: the override or the file that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from hydra.errors import MissingConfigException
from hydra.plugins.config_source import ConfigResult

from tcdflow.config.guard import TRUSTED
from tcdflow.config.origin import chooser
from tcdflow.config.overrides import ParsedOverride
from tcdflow.errors import Problem
from tcdflow.spec.nearest import nearest
from tcdflow.text import first_line, joined

_MENTIONS: tuple[Callable[[ParsedOverride, str], bool], ...] = (
    lambda item, message: (text := item.hydra_text.lstrip("~+")) != "" and text in message,
    lambda item, message: re.search(rf"(?<![\w.]){re.escape(item.key)}\b", message) is not None,
    lambda item, message: f"'{item.key.rpartition('.')[2]}'" in message,
)
"""How an error of Hydra's may name an override, the surest way first."""


def blamed(error: BaseException, parsed: Sequence[ParsedOverride], loaded: Mapping[str, ConfigResult]) -> Problem:
    """Say what Hydra found, of the override or file that it names, else of a user's file that was read last."""
    message = str(error)
    longest = sorted(parsed, key=lambda item: -len(item.key))  # "loras.tcd" mentions "loras", too
    item = next((item for mentions in _MENTIONS for item in longest if mentions(item, message)), None)
    bare = message == "" or message.startswith("Error merging override")
    cause = error.__cause__ if bare and error.__cause__ else error
    what = joined(str(cause).partition("full_key")[0])
    theirs = [path for path, result in loaded.items() if result.provider not in TRUSTED]
    if asked := re.match(r"You must specify '([^']+)'.*?Available options: (.*)", what):
        group, options = asked[1], asked[2].split()
        return Problem(
            group, f"must be chosen, as {group}={options[0]}: one of {', '.join(options)}", origin=_file(theirs)
        )
    if item is not None:
        return Problem(item.key, what, origin=item.text)
    if placed := re.match("In '(.*?)': ", what):
        return Problem("defaults", what[placed.end() :], origin=f"{placed[1]}.yaml")
    return Problem(_file(theirs) or "configuration", what)


def _file(paths: Sequence[str]) -> str | None:
    return f"{paths[-1]}.yaml" if paths else None


def missing(
    error: MissingConfigException, options: Callable[[str], Sequence[str]], loaded: dict[str, ConfigResult]
) -> Problem:
    """Say which config there is not, of the file that chose it."""
    path = error.missing_cfg_file or ""
    group, _, name = path.rpartition("/")
    names = options(group)
    where = first_line(error).partition(":")[0].removeprefix("In ").strip("'")
    where = chooser(group, name, loaded) or f"{where}.yaml"
    if not names:
        return Problem(path, "there is no such config", origin=where)
    return Problem(group, f"must be one of {', '.join(names)}", name, origin=where, nearest=nearest(name, names))
