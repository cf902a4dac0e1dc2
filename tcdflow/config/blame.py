"""Whose mistake an error of Hydra's is: the override or the file that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from hydra.errors import MissingConfigException
from hydra.plugins.config_source import ConfigResult

from tcdflow.config.loader import TRUSTED
from tcdflow.config.origin import chooser
from tcdflow.config.overrides import ParsedOverride
from tcdflow.errors import Problem
from tcdflow.libraries.hydra import placed, said, unchosen
from tcdflow.spec.nearest import nearest

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
    what = said(error)
    theirs = [path for path, result in loaded.items() if result.provider not in TRUSTED]
    if asked := unchosen(what):
        group, options = asked
        what = f"must be chosen, as {group}={options[0]}: one of {', '.join(options)}"
        return Problem(group, what, origin=_file(theirs))
    if item is not None:
        return Problem(item.key, what, origin=item.text)
    if within := placed(what):
        return Problem("defaults", within[1], origin=f"{within[0]}.yaml")
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
    within = placed(str(error))
    where = chooser(group, name, loaded) or (f"{within[0]}.yaml" if within else None)
    if not names:
        return Problem(path, "there is no such config", origin=where)
    return Problem(group, f"must be one of {', '.join(names)}", name, origin=where, nearest=nearest(name, names))
