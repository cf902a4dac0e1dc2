"""OmegaConf's private parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig
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


def without_types(text: str) -> str:
    """Return what OmegaConf, or Hydra for it, says of a mistake, without the key and the types of nodes after it.

    Private: the text "full_key". In its place: the message in an attribute of the error; ``msg`` has these lines too.
    """
    return text.partition("full_key")[0]


def taken_out(config: DictConfig, key: str) -> Any:
    """Take a node out of a config that may be changed, and return it so that putting it back does not copy it.

    Private: ``_set_parent``. In its place: ``pop``, after which the node still names the config as its parent;
    OmegaConf then copies it when it is put back, which takes a third of composing.
    """
    node = config.pop(key, None)
    if node is not None:
        node._set_parent(None)
    return node
