"""What of the network a run may ask: what the person wants, and nothing that only a file asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reach = Literal["nothing", "public", "any"]
"""How far a request may go: nowhere, to public addresses, or to loopback, link-local and private ones too."""


@dataclass(frozen=True)
class Network:
    """The person's word for the sources of a run.

    Attributes:
        typed: source texts that the person wrote; None is all of them, as where a program calls.
        shipped: addresses that tcdflow's own configs name.
        fetch: whether the person lets public addresses be asked that others name (``--fetch``).
        hub: whether the hub may be asked for repositories that others name. A config that the person chose may name
            some; a record, plan or image may not.
    """

    typed: frozenset[str] | None = None
    shipped: frozenset[str] = frozenset()
    fetch: bool = False
    hub: bool = True

    def reach(self, address: str) -> Reach:
        """Say how far the request for an http(s) address may go."""
        if self.typed is None or address in self.typed:
            return "any"
        return "public" if self.fetch or address in self.shipped else "nothing"

    def asks_hub(self, source: str) -> bool:
        """Say whether the hub may be asked for a source."""
        return self.hub or self.fetch or self.typed is None or source in self.typed


ANY = Network()
"""All that a spec names, which the person wrote."""
