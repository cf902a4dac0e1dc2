"""Weight files that are pickles, recognised by name: loading one can run code.

They are refused unless the person at the command line allows them (:mod:`tcdflow.config.permission`), and then only
read by ``torch.load(weights_only=True)``, which makes safetensors of them before a library sees them
(:mod:`tcdflow.pipeline.unpickle`).
"""

from __future__ import annotations

from collections.abc import Collection

from tcdflow.errors import SourceError


class PickledError(SourceError):
    """There are weights, as pickles alone."""


PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
"""Endings of weight files that are pickles."""

REFUSED = "which can run code; safetensors are needed (security.allow_pickle=true reads its tensors all the same)"

_INDEX = ".bin.index."


def is_pickle(name: str) -> bool:
    """Say whether a file is a pickle, by its name."""
    return name.endswith(PICKLES)


def is_pickles_index(name: str) -> bool:
    """Say whether a file is the index of weights that are pickled in several parts."""
    return _INDEX in name and name.endswith(".json")


def as_safetensors(name: str) -> str:
    """Return the name that a pickled weight file, or the index of several, has as safetensors.

    transformers calls a model ``pytorch_model.bin`` and ``model.safetensors``; diffusers changes the ending alone.
    """
    folder, slash, leaf = name.rpartition("/")
    if leaf.startswith("pytorch_model"):
        leaf = leaf.removeprefix("pytorch_")
    if is_pickles_index(leaf):
        return folder + slash + leaf.replace(_INDEX, ".safetensors.index.", 1)
    return folder + slash + leaf.removesuffix(next(filter(leaf.endswith, PICKLES), "")) + ".safetensors"


def stand_ins(listing: Collection[str]) -> dict[str, str]:
    """Return the pickles of a listing, and their indices, by the name of the safetensors that they could be.

    Where a folder has safetensors, its pickles are not used.
    """
    safe = {_folder(name) for name in listing if name.endswith(".safetensors")}
    return {
        as_safetensors(name): name
        for name in sorted(listing)
        if (name.endswith(".bin") or is_pickles_index(name)) and _folder(name) not in safe
    }


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
