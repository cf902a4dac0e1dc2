"""A hub on loopback, and an untrusted config with the witnesses of what it attempts."""

from __future__ import annotations

from tests.hub.fixtures import hub
from tests.untrusted.configs import marker, refused, witnesses

__all__ = ["hub", "marker", "refused", "witnesses"]
