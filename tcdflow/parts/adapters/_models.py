"""Loading a diffusers model from a folder or a single weight file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tcdflow.errors import SourceError
from tcdflow.parts.pretrained import pretrained
from tcdflow.spec.needs import LocalFiles


def load_model(cls: Any, role: str, files: Mapping[str, LocalFiles], dtype: Any) -> Any:
    """Return a model from its local files.

    Args:
        cls: class of the model.
        role: of its files; a single weight file follows the config of role ``<role>.config``.
        files: local files by role.
        dtype: ``torch.dtype``.
    """
    found = files[role]
    if found.single:
        config = str(files[f"{role}.config"].path)
        return cls.from_single_file(str(found.path), config=config, dtype=dtype, local_files_only=True)
    model, missing = pretrained(cls, found, dtype)
    if missing:
        raise SourceError(f"'{found.path}': its weights lack {len(missing)} of the model's, e.g. {missing[0]}")
    return model
