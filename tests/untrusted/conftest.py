"""A hub on loopback."""

from __future__ import annotations

from tests.hub.fixtures import hub

__all__ = ["hub"]
