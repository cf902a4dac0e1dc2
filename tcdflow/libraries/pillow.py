"""Private parts of Pillow."""

from __future__ import annotations

from importlib.util import find_spec


def has_avif() -> bool:
    """Say whether Pillow was built with AVIF.

    Private: ``PIL._avif``. In its place: ``PIL.features.check("avif")``, for which commands without an image would
    import Pillow.
    """
    return find_spec("PIL._avif") is not None
