"""What only the person at the command line may allow (``security.*``): a config, record, plan or image never can.

It is taken from the words of the command and kept apart from the config from there on; in a config it is an unknown
key. Whoever resumes or reruns what somebody else began has to allow it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from hydra.core.override_parser.types import ChoiceSweep, QuotedString

from tcdflow.config.overrides import parse
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest

GROUP = "security"
ALLOW_PICKLE = "security.allow_pickle"


def typed(overrides: Sequence[str]) -> frozenset[str]:
    """Return the texts that the person wrote as values, or within them: what names a source is among them.

    Args:
        overrides: as the user wrote them; one that cannot be parsed says nothing.
    """
    found: set[str] = set()
    for text in overrides:
        value = text.partition("=")[2]
        if "/" in value:
            found.add(value)
            with suppress(ValueError):
                found.update(_texts(parse(text, sweeping=True).value()))
    return frozenset(found)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, QuotedString):
        yield value.text
    elif isinstance(value, str):
        yield value
    elif isinstance(value, ChoiceSweep):
        yield from _texts(value.list)
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def permitted(overrides: Sequence[str]) -> tuple[bool, tuple[str, ...]]:
    """Return whether pickled weights may be read, and the overrides without those that say so.

    Args:
        overrides: as the user wrote them.

    Raises:
        ConfigError: if it is neither true nor false, or another key of ``security`` is set.
    """
    allowed = False
    rest: list[str] = []
    for text in overrides:
        key = text.partition("=")[0].lstrip("+~")
        if key != GROUP and not key.startswith(f"{GROUP}."):
            rest.append(text)
            continue
        try:
            override = parse(text, sweeping=True)
            value = None if override.is_delete() or override.is_sweep_override() else override.value()
        except ValueError as error:
            raise ConfigError([Problem(key, str(error), origin=text)]) from None
        if key != ALLOW_PICKLE:
            what = f"unknown key; there is {ALLOW_PICKLE}"
            raise ConfigError([Problem(key, what, origin=text, nearest=nearest(key, (ALLOW_PICKLE,)))])
        if not isinstance(value, bool):
            raise ConfigError([Problem(key, "must be true or false", origin=text)])
        allowed = value
    return allowed, tuple(rest)
