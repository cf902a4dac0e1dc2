"""OmegaConf's private parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf.basecontainer import BaseContainer

Resolvers = Mapping[str, Callable[..., Any]]


def resolvers() -> Resolvers:
    """Return the resolvers that this process knows, for a worker to know them too.

    Private: ``BaseContainer._resolvers``. In its place: a public list of them; ``OmegaConf.has_resolver`` tells of one.
    """
    return dict(BaseContainer._resolvers)


def learn(resolvers: Resolvers) -> None:
    """Register resolvers of another process (:func:`resolvers`), keeping those of this one.

    Private: ``BaseContainer._resolvers``. In its place: ``OmegaConf.register_new_resolver`` for functions as the user
    wrote them; these are wrapped already.
    """
    for name, resolver in resolvers.items():
        BaseContainer._resolvers.setdefault(name, resolver)
