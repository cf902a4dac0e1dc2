"""Options that a list chooses twice, of which Hydra would make one entry without a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcdflow.errors import Problem


def twice(group: str, chosen: Sequence[object], origin: str) -> Iterator[Problem]:
    """Yield a problem for each option that is chosen more than once.

    Args:
        group: from which it is chosen.
        chosen: names of options.
        origin: override or file that chooses them.
    """
    for name in dict.fromkeys(one for one in chosen if chosen.count(one) > 1):
        more = f"; loras.{name}.weight sets how much it changes the base" if group == "loras" else ""
        yield Problem(group, f"is chosen twice, and would be one entry{more}", name, origin)
