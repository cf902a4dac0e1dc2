"""What only the person at the command line may allow (``security.*``): a config, record, plan or image never can.

It is taken from the words of the command and kept apart from the config from there on; in a config it is an unknown
key. Whoever resumes or reruns what somebody else began has to allow it again.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcdflow.config.overrides import parse
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest

GROUP = "security"
ALLOW_PICKLE = "security.allow_pickle"


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
