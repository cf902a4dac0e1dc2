"""A diffusers model from a folder, with all of its weights: what adapters and VAEs share."""

from __future__ import annotations

from typing import Any

from tcdflow.spec.needs import LocalFiles


def pretrained(cls: Any, found: LocalFiles, dtype: Any) -> tuple[Any, list[str]]:
    """Return a model, and the names of its weights that the folder lacks: the libraries leave those undefined.

    Args:
        cls: class of the model.
        found: its folder.
        dtype: ``torch.dtype``.
    """
    model, report = cls.from_pretrained(
        str(found.path),
        dtype=dtype,
        variant=found.variant,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    return model, sorted(report["missing_keys"])
