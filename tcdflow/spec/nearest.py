"""The known name nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the member of ``known`` closest to ``name``, or None if none is close."""
    candidates = list(known)
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    matches = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.55)
    return by_lower[matches[0]] if matches else None
